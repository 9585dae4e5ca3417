//! NVIDIA RTX PRO 6000 Blackwell Server Edition. Read by `profiles` only.
//!
//! Sources, read 2026-11-21. Debian 12's pci.ids (list of 2023-04-10) is older than the product, so its ids are NVIDIA's own:
//! - `open-modules`: the table "Compatible GPUs" in the README of NVIDIA's open kernel modules: `2BB5 10DE 204E`;
//! - `lspci`: `3D controller [0302]: NVIDIA Corporation GB202GL [RTX PRO 6000 Blackwell Server Edition] [10de:2bb5] (rev a1)`, in several
//!   public repositories;
//! - `capture`: `nvidia-smi` of a real card, driver 580.178.04, 2026-10-06: persistence Off, `30C P0 46W / 600W`, `0MiB / 97887MiB`;
//! - `mig-guide`: NVIDIA MIG User Guide (v580), "Supported GPUs": Blackwell, GB202, compute capability 12.0, at most 4 instances;
//! - `cuda-gpus`: developer.nvidia.com/cuda-gpus, "CUDA GPU Compute Capability": 12.0.

use nvml_wrapper_sys::bindings;

use super::{ClocksMhz, NO_MARGINS, NO_THRESHOLDS, PciIdentity, Profile};

pub(super) const PROFILE: Profile = Profile {
    // capture, open-modules.
    product_name: "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    pci: PciIdentity {
        // open-modules, lspci. (The table has the subsystem 220B too.)
        vendor: 0x10de,
        device: 0x2bb5,
        subsystem_vendor: 0x10de,
        subsystem_device: 0x204e,
        class: 0x03_0200,
    },
    // mig-guide: Blackwell.
    architecture: bindings::NVML_DEVICE_ARCH_BLACKWELL,
    // No capture of nvmlDeviceGetBrand.
    brand: None,
    // cuda-gpus, mig-guide.
    compute_capability: (12, 0),
    // capture.
    memory_mib: 97_887,
    // No capture.
    has_serial: false,
    vbios_version: None,
    inforom_version: None,
    // capture.
    temperature_celsius: Some(30),
    // No capture.
    memory_temperature_celsius: None,
    temperature_thresholds: NO_THRESHOLDS,
    temperature_margin_celsius: None,
    margin_temperatures: NO_MARGINS,
    // capture.
    power_usage_milliwatts: Some(46_000),
    power_limit_milliwatts: Some(600_000),
    // No capture.
    power_limit_range_milliwatts: None,
    clocks_mhz: ClocksMhz::UNKNOWN,
    greatest_clocks_mhz: ClocksMhz::UNKNOWN,
    clocks_event_reasons: None,
    // capture.
    performance_state: Some(0),
    // No capture.
    ecc_enabled: None,
    sram_ecc_status: false,
    row_remapping: false,
    pcie_generation: None,
    pcie_width: None,
    nvlinks: None,
    // mig-guide.
    mig_devices: Some(4),
    // No capture.
    recovery_action: None,
    // capture: Off.
    persistence_mode: Some(false),
};
