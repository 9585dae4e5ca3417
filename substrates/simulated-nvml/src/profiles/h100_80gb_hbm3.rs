//! NVIDIA H100 80GB HBM3 (SXM5). Read by `profiles` only.
//!
//! Sources, read 2026-11-21:
//! - `pci.ids`: Debian 12 package pci.ids 0.0~2023.04.11-1 (list of 2023-04-10);
//! - `go-nvml`: github.com/NVIDIA/go-nvml v0.13.4-0, pkg/nvml/mock/gpus/h100.go;
//! - `k8s-test-infra`: github.com/NVIDIA/k8s-test-infra aa0f6e0e, pkg/gpu/mocknvml/configs/mock-nvml-config-h100.yaml;
//! - `capture`: `nvidia-smi --query-gpu` and `lspci -mm -D` of a rented H100, kept as test data in a public repository:
//!   `NVIDIA H100 80GB HBM3, 81559, 9.0, …, 700.00, …, Enabled, Disabled, Enabled`, `3D controller … Device 16c1`.
//! - `q-x`: `nvidia-smi -q -x` of a real node of eight, driver 580.105.08, 2026-08-21: k8s-test-infra 63018b86,
//!   tests/e2e/go/assertions/nvidiasmi/testdata/hardware/qx-h100.xml.

use nvml_wrapper_sys::bindings;

use super::{ClocksMhz, NO_THRESHOLDS, PciIdentity, Profile};
use crate::scenario::MarginTemperatures;

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
    // q-x.
    vbios_version: Some("96.00.99.00.01"),
    inforom_version: Some("G520.0200.00.05"),
    // k8s-test-infra.
    temperature_celsius: Some(34),
    // q-x.
    memory_temperature_celsius: Some(37),
    // q-x prints margins only: 58 at 29 °C, which is 53 at 34.
    temperature_thresholds: NO_THRESHOLDS,
    temperature_margin_celsius: Some(53),
    margin_temperatures: MarginTemperatures {
        shutdown: Some(-8),
        slowdown: Some(-2),
        memory_max: Some(0),
        gpu_max: Some(0),
    },
    // k8s-test-infra.
    power_usage_milliwatts: Some(95_000),
    // capture and k8s-test-infra: 700 W; the range is k8s-test-infra's.
    power_limit_milliwatts: Some(700_000),
    power_limit_range_milliwatts: Some((200_000, 700_000)),
    // q-x.
    clocks_mhz: ClocksMhz {
        graphics: Some(345),
        sm: Some(345),
        memory: Some(2_619),
        video: Some(765),
    },
    greatest_clocks_mhz: ClocksMhz {
        graphics: Some(1_980),
        sm: Some(1_980),
        memory: Some(2_619),
        video: Some(1_545),
    },
    // q-x: idle.
    clocks_event_reasons: Some(1),
    performance_state: Some(0),
    // capture, k8s-test-infra and q-x: enabled.
    ecc_enabled: Some(true),
    // k8s-test-infra: remapped_rows.
    // q-x.
    sram_ecc_status: true,
    row_remapping: true,
    // k8s-test-infra: max_link_gen, max_link_width.
    pcie_generation: Some(5),
    pcie_width: Some(16),
    // k8s-test-infra: mig.max_gpu_instances; capture: MIG disabled.
    // q-x has no links; a scenario gives them.
    nvlinks: None,
    mig_devices: Some(7),
    // q-x: None, which is 0 (nvml.h, CUDA 13.0).
    recovery_action: Some(0),
    // capture and k8s-test-infra: enabled.
    persistence_mode: Some(true),
};
