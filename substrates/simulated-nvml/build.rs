//! Link arguments of the shared library: NVML's soname, and libgcc's unwinder inside it instead of beside it.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libnvidia-ml.so.1");
    // rustc asks the linker for -lgcc_s by name, so -static-libgcc has no effect; NVIDIA's library needs no libgcc_s.so.1 and container
    // images often have none. A linker script of that name, first on the search path, gives the static archives instead.
    let out =
        PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set; build with cargo"))?);
    fs::write(out.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo:rustc-cdylib-link-arg=-L{}", out.display());
    Ok(())
}
