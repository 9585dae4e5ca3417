//! NVIDIA RTX 4000 SFF Ada Generation. Read by `profiles` only.
//!
//! Sources, read 2026-11-21:
//! - `pci.ids`: Debian 12 package pci.ids 0.0~2023.04.11-1 (list of 2023-04-10);
//! - `capture`: outputs of real cards in public repositories. `nvidia-smi`: `NVIDIA RTX 4000 SFF Ada Generation, 20475, 535.288.01`;
//!   `Off | 00000000:01:00.0 Off | Off`, `57C P8 8W / 70W`, `2MiB / 20475MiB`, MIG `N/A`. `lspci -mm -nn`: `VGA compatible controller
//!   [0300]`, `[10de:27b0]`, subsystem `[10de] [16fa]`;
//! - `article`: `ComputerBase`, 2023-03, "Nvidia RTX 4000 SFF Edition": AD104, 20 GB GDDR6 with ECC, 70 W;
//! - `datasheet`: NVIDIA RTX 4000 Ada Generation (same AD104), "PCIe Gen4".

use nvml_wrapper_sys::bindings;

use super::{ClocksMhz, NO_MARGINS, NO_THRESHOLDS, PciIdentity, Profile};

pub(super) const PROFILE: Profile = Profile {
    // capture.
    product_name: "NVIDIA RTX 4000 SFF Ada Generation",
    pci: PciIdentity {
        // pci.ids: 10de, 27b0 "AD104GL [RTX 4000 SFF Ada Generation]".
        vendor: 0x10de,
        device: 0x27b0,
        // capture; pci.ids lists no subsystem.
        subsystem_vendor: 0x10de,
        subsystem_device: 0x16fa,
        // capture: "VGA compatible controller [0300]".
        class: 0x03_0000,
    },
    // article: Ada (AD104).
    architecture: bindings::NVML_DEVICE_ARCH_ADA,
    // No capture of nvmlDeviceGetBrand.
    brand: None,
    // developer.nvidia.com/cuda-gpus, "CUDA GPU Compute Capability", read 2026-11-21: 8.9, "NVIDIA RTX 4000 SFF Ada".
    compute_capability: (8, 9),
    // capture.
    memory_mib: 20_475,
    // No capture of a serial number.
    has_serial: false,
    // capture: 57C, 8 W of 70 W, idle (P8).
    vbios_version: None,
    inforom_version: None,
    temperature_celsius: Some(57),
    memory_temperature_celsius: None,
    temperature_thresholds: NO_THRESHOLDS,
    temperature_margin_celsius: None,
    margin_temperatures: NO_MARGINS,
    power_usage_milliwatts: Some(8_000),
    power_limit_milliwatts: Some(70_000),
    // No capture.
    power_limit_range_milliwatts: None,
    // capture: "Off", so there is ECC and it is off.
    clocks_mhz: ClocksMhz::UNKNOWN,
    greatest_clocks_mhz: ClocksMhz::UNKNOWN,
    clocks_event_reasons: None,
    performance_state: None,
    ecc_enabled: Some(false),
    // No capture.
    sram_ecc_status: false,
    row_remapping: false,
    // datasheet; no source for the lanes.
    pcie_generation: Some(4),
    pcie_width: None,
    // capture: MIG N/A.
    nvlinks: None,
    mig_devices: None,
    // No capture.
    recovery_action: None,
    // capture: Persistence-M Off.
    persistence_mode: Some(false),
};
