//! NVIDIA L4. Read by `profiles` only.
//!
//! Sources, read 2026-11-21:
//! - `pci.ids`: Debian 12 package pci.ids 0.0~2023.04.11-1 (list of 2023-04-10);
//! - `capture`: `nvidia-smi` and `nvidia-smi -a` of a real L4, driver 550.90.07, 2024-11-12, kept as test data in a public repository;
//! - `cuda-gpus`: developer.nvidia.com/cuda-gpus, "CUDA GPU Compute Capability".

use nvml_wrapper_sys::bindings;

use super::{ClocksMhz, PciIdentity, Profile};
use crate::scenario::{MarginTemperatures, TemperatureThresholds};

pub(super) const PROFILE: Profile = Profile {
    // capture.
    product_name: "NVIDIA L4",
    pci: PciIdentity {
        // pci.ids: 10de, 27b8 "AD104GL [L4]".
        vendor: 0x10de,
        device: 0x27b8,
        // capture: Sub System Id 0x16CA10DE, Base Classcode 0x3, Sub Classcode 0x2.
        subsystem_vendor: 0x10de,
        subsystem_device: 0x16ca,
        class: 0x03_0200,
    },
    // capture: Ada Lovelace, brand NVIDIA.
    architecture: bindings::NVML_DEVICE_ARCH_ADA,
    brand: Some(bindings::nvmlBrandType_enum_NVML_BRAND_NVIDIA),
    // cuda-gpus.
    compute_capability: (8, 9),
    // capture, from here on.
    memory_mib: 23_034,
    has_serial: true,
    vbios_version: Some("95.04.29.00.06"),
    inforom_version: Some("G193.0200.00.01"),
    temperature_celsius: Some(33),
    memory_temperature_celsius: None,
    // Printed as margins only.
    temperature_thresholds: TemperatureThresholds {
        shutdown: None,
        slowdown: None,
        memory_max: None,
        gpu_max: None,
    },
    temperature_margin_celsius: Some(53),
    margin_temperatures: MarginTemperatures {
        shutdown: Some(-5),
        slowdown: Some(-2),
        memory_max: None,
        gpu_max: Some(0),
    },
    power_usage_milliwatts: Some(16_470),
    power_limit_milliwatts: Some(72_000),
    power_limit_range_milliwatts: Some((40_000, 72_000)),
    clocks_mhz: ClocksMhz {
        graphics: Some(210),
        sm: Some(210),
        memory: Some(405),
        video: Some(765),
    },
    greatest_clocks_mhz: ClocksMhz {
        graphics: Some(2_040),
        sm: Some(2_040),
        memory: Some(6_251),
        video: Some(1_770),
    },
    // Idle.
    clocks_event_reasons: Some(1),
    performance_state: Some(8),
    ecc_enabled: Some(true),
    sram_ecc_status: true,
    row_remapping: true,
    // The greatest; idle and in a slot of eight lanes, the capture has generation 1 and width 8.
    pcie_generation: Some(4),
    pcie_width: Some(16),
    // No capture.
    nvlinks: None,
    // capture: MIG N/A.
    mig_devices: None,
    // A driver of branch 550 prints none.
    recovery_action: None,
    // capture: Enabled.
    persistence_mode: Some(true),
};
