//! Makes Rust tables of the agent's data files, so that nothing is parsed when the agent starts and a mistake in a file stops
//! the build.

#[path = "build/reasons.rs"]
mod reasons;
#[path = "build/xids.rs"]
mod xids;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    // What cargo-fuzz and agent/fuzz/run build with.
    println!("cargo:rustc-check-cfg=cfg(fuzzing)");
    reasons::generate()?;
    xids::generate()
}
