//! NVIDIA H100 80GB HBM3 (SXM5). Read by `profiles` only.
//!
//! Sources, read 2026-11-21:
//! - `pci.ids`: Debian 12 package pci.ids 0.0~2023.04.11-1 (list of 2023-04-10);
//! - `go-nvml`: github.com/NVIDIA/go-nvml v0.13.4-0, pkg/nvml/mock/gpus/h100.go;
//! - `k8s-test-infra`: github.com/NVIDIA/k8s-test-infra aa0f6e0e, pkg/gpu/mocknvml/configs/mock-nvml-config-h100.yaml;
//! - `capture`: `nvidia-smi --query-gpu` and `lspci -mm -D` of a rented H100, kept as test data in a public repository:
//!   `NVIDIA H100 80GB HBM3, 81559, 9.0, …, 700.00, …, Enabled, Disabled, Enabled`, `3D controller … Device 16c1`.

use nvml_wrapper_sys::bindings;

use super::{ClocksMhz, NO_MARGINS, NO_THRESHOLDS, PciIdentity, Profile};

pub(super) const PROFILE: Profile = Profile {
    // go-nvml, capture.
    product_name: "NVIDIA H100 80GB HBM3",
    pci: PciIdentity {
        // pci.ids: 10de, 2330 "GH100[H100 SXM5 80GB]".
        vendor: 0x10de,
        device: 0x2330,
        // capture; pci.ids lists no subsystem.
        subsystem_vendor: 0x10de,
        subsystem_device: 0x16c1,
        // capture: "3D controller".
        class: 0x03_0200,
    },
    // go-nvml: DEVICE_ARCH_HOPPER, BRAND_NVIDIA, 9.0.
    architecture: bindings::NVML_DEVICE_ARCH_HOPPER,
    brand: Some(bindings::nvmlBrandType_enum_NVML_BRAND_NVIDIA),
    compute_capability: (9, 0),
    // capture. (go-nvml and k8s-test-infra have the nominal 81920.)
    memory_mib: 81_559,
    // k8s-test-infra: serial, temperature_gpu_c, current_draw_mw.
    has_serial: true,
    vbios_version: None,
    inforom_version: None,
    temperature_celsius: Some(34),
    memory_temperature_celsius: None,
    temperature_thresholds: NO_THRESHOLDS,
    temperature_margin_celsius: None,
    margin_temperatures: NO_MARGINS,
    power_usage_milliwatts: Some(95_000),
    // capture and k8s-test-infra: 700 W; the range is k8s-test-infra's.
    power_limit_milliwatts: Some(700_000),
    power_limit_range_milliwatts: Some((200_000, 700_000)),
    // capture and k8s-test-infra: enabled.
    clocks_mhz: ClocksMhz::UNKNOWN,
    greatest_clocks_mhz: ClocksMhz::UNKNOWN,
    clocks_event_reasons: None,
    performance_state: None,
    ecc_enabled: Some(true),
    // k8s-test-infra: remapped_rows.
    sram_ecc_status: false,
    row_remapping: true,
    // k8s-test-infra: max_link_gen, max_link_width.
    pcie_generation: Some(5),
    pcie_width: Some(16),
    // k8s-test-infra: mig.max_gpu_instances; capture: MIG disabled.
    nvlinks: None,
    mig_devices: Some(7),
    // nvml.h (CUDA 13.0): NVML_GPU_RECOVERY_ACTION_NONE, a healthy GPU's answer.
    recovery_action: Some(0),
    // capture and k8s-test-infra: enabled.
    persistence_mode: Some(true),
};
