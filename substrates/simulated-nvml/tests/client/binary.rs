//! The file: what it exports, what it needs, and the layout of structs.

use std::process::Command;

use nvidia_ml::abi::SYMBOLS;
use nvidia_ml::library::Library;
use nvml_wrapper::error::NvmlError;

use crate::installed::{Installed, VERSION, built, two_h100};

#[test]
fn a_struct_version_that_nvml_does_not_know_is_refused() {
    let installed = Installed::with(&two_h100());
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(
        (
            size_of::<nvml_wrapper_sys::bindings::nvmlPciInfo_t>(),
            size_of::<nvml_wrapper_sys::bindings::nvmlMemory_v2_t>()
        ),
        (68, 40)
    );
    let symbol = nvml.lib().nvmlDeviceGetMemoryInfo_v2.as_ref().unwrap();
    let mut memory = nvml_wrapper_sys::bindings::nvmlMemory_v2_t {
        version: 0x28 | 3 << 24,
        total: 7,
        reserved: 7,
        free: 7,
        used: 7,
    };
    // SAFETY: a valid handle and a struct of the size that version 2 has.
    let code = unsafe { symbol(gpu.handle(), &raw mut memory) };
    assert_eq!((code, memory.total), (25, 7), "refused, and nothing written");
}

#[test]
fn the_library_exports_what_it_says_and_needs_libc_only() {
    let names = |arguments: &[&str]| {
        String::from_utf8(
            Command::new(arguments[0])
                .args(&arguments[1..])
                .arg(built())
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    };
    let table = names(&["nm", "-D", "--defined-only"]);
    let mut exported: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| name.starts_with("nvml"))
        .collect();
    exported.sort_unstable();
    assert_eq!(exported, SYMBOLS);
    // go-nvml ends the process when a symbol that it calls is missing: those of NVIDIA's plugin v0.19.1, GFD and nvidia-ctk v1.20.1.
    for needed in include_str!("go-nvml-symbols.txt").lines() {
        assert!(SYMBOLS.contains(&needed), "{needed}");
    }
    let dynamic = names(&["readelf", "-d"]);
    assert!(dynamic.contains("soname: [libnvidia-ml.so.1]"), "{dynamic}");
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        assert!(
            ["libc.so.6", "ld-linux-x86-64.so.2", "libm.so.6"]
                .iter()
                .any(|library| line.contains(library)),
            "{line}"
        );
    }
}

#[test]
fn a_copy_without_a_symbol_has_every_other_and_dlsym_does_not_find_that_one() {
    let installed = Installed::with(&two_h100());
    let file = installed.directory.path().join(format!("libnvidia-ml.so.{VERSION}"));
    let library = Library::at(built());
    std::fs::remove_file(&file).unwrap();
    library
        .write_without(&["nvmlDeviceGetMarginTemperature", "nvmlDeviceGetPowerUsage"], &file)
        .unwrap();
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert!(matches!(gpu.power_usage(), Err(NvmlError::FailedToLoadSymbol(_))));
    assert!(nvml.lib().nvmlDeviceGetMarginTemperature.is_err());
    assert_eq!(gpu.enforced_power_limit().unwrap(), 700_000, "the others are there");
    let unknown = library
        .write_without(&["nvmlDeviceGetMood"], &file)
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("nvmlDeviceGetMood"), "{unknown}");
}
