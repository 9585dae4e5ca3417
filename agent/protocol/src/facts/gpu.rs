//! What NVML says of one GPU. Part of [`super::NodeFacts`]; filled by the agent's NVML worker, judged by its checks.

use serde::{Deserialize, Serialize};

/// One GPU as NVML sees it. A value whose call answered `NOT_SUPPORTED` is absent; any other failure is in `errors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuFacts {
    /// NVML's index.
    pub index: u32,
    /// `GPU-…`.
    pub uuid: Option<String>,
    /// `NVIDIA H100 80GB HBM3`.
    pub name: Option<String>,
    /// The board's serial number.
    pub serial: Option<String>,
    /// `0000:17:00.0`, lower case, as in sysfs.
    pub pci_address: Option<String>,
    /// The N of `/dev/nvidiaN`.
    pub minor: Option<u32>,
    /// Bytes.
    pub memory_total_bytes: Option<u64>,
    /// `hopper`, NVML's architecture.
    pub architecture: Option<String>,
    /// `9.0`.
    pub compute_capability: Option<String>,
    /// Degrees Celsius.
    pub temperature_celsius: Option<u32>,
    /// Milliwatts.
    pub power_usage_milliwatts: Option<u32>,
    /// Milliwatts.
    pub power_limit_milliwatts: Option<u32>,
    /// Whether ECC is on.
    pub ecc_enabled: Option<bool>,
    /// Uncorrected volatile ECC errors, all memory.
    pub ecc_uncorrected_volatile: Option<u64>,
    /// Row remapping.
    pub row_remapping: Option<RowRemapping>,
    /// Negotiated PCIe generation.
    pub pcie_generation: Option<u32>,
    /// Negotiated PCIe lanes.
    pub pcie_width: Option<u32>,
    /// Highest PCIe generation that device and slot support.
    pub pcie_max_generation: Option<u32>,
    /// Most PCIe lanes that device and slot support.
    pub pcie_max_width: Option<u32>,
    /// `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION`: 0 none, 1 reset GPU, 2 reboot node, 3 drain peer-to-peer, 4 drain and reset
    /// (nvml.h, `nvmlDeviceGpuRecoveryAction_t`).
    pub recovery_action: Option<u32>,
    /// Whether MIG is on.
    pub mig_enabled: Option<bool>,
    /// Process ids of compute processes.
    pub compute_processes: Vec<u32>,
    /// The GPU sleeps (`power/runtime_status` is `suspended`) and was not asked anything that would wake it.
    #[serde(default)]
    pub suspended: bool,
    /// Whether the driver stays loaded without a client.
    #[serde(default)]
    pub persistence_mode: Option<bool>,
    /// `96.00.89.00.01`.
    #[serde(default)]
    pub vbios_version: Option<String>,
    /// Bytes.
    #[serde(default)]
    pub memory_used_bytes: Option<u64>,
    /// Percent of the driver's last sample period in which a kernel ran.
    #[serde(default)]
    pub utilization_gpu_percent: Option<u32>,
    /// Percent of the driver's last sample period in which memory was read or written.
    #[serde(default)]
    pub utilization_memory_percent: Option<u32>,
    /// Megahertz.
    #[serde(default)]
    pub sm_clock_mhz: Option<u32>,
    /// Megahertz.
    #[serde(default)]
    pub memory_clock_mhz: Option<u32>,
    /// The N of `P<N>`; 0 is the fastest.
    #[serde(default)]
    pub performance_state: Option<u32>,
    /// Millijoules since the driver was loaded.
    #[serde(default)]
    pub energy_millijoules: Option<u64>,
    /// `NVML_FI_DEV_MEMORY_TEMP`, degrees Celsius.
    #[serde(default)]
    pub memory_temperature_celsius: Option<u32>,
    /// The limit of the memory's temperature (`NVML_TEMPERATURE_THRESHOLD_MEM_MAX`), degrees Celsius.
    #[serde(default)]
    pub memory_temperature_max_celsius: Option<u32>,
    /// Where the hardware begins to slow down, degrees Celsius.
    #[serde(default)]
    pub temperature_slowdown_celsius: Option<u32>,
    /// Where the hardware turns itself off, degrees Celsius.
    #[serde(default)]
    pub temperature_shutdown_celsius: Option<u32>,
    /// Degrees below the nearest slowdown (`nvmlDeviceGetMarginTemperature`); negative is past it.
    #[serde(default)]
    pub temperature_margin_celsius: Option<i32>,
    /// `nvmlDeviceGetCurrentClocksEventReasons`, the bits.
    #[serde(default)]
    pub clock_event_reasons: Option<u64>,
    /// Corrected volatile ECC errors, all memory.
    #[serde(default)]
    pub ecc_corrected_volatile: Option<u64>,
    /// Uncorrected ECC errors over the card's life, all memory.
    #[serde(default)]
    pub ecc_uncorrected_aggregate: Option<u64>,
    /// Whether SRAM errors are past the threshold at which NVIDIA wants the card examined (`nvmlDeviceGetSramEccErrorStatus`).
    #[serde(default)]
    pub ecc_sram_threshold_exceeded: Option<bool>,
    /// Pages retired, on GPUs before row remapping.
    #[serde(default)]
    pub retired_pages: Option<RetiredPages>,
    /// PCIe replays since the driver was loaded.
    #[serde(default)]
    pub pcie_replays: Option<u64>,
    /// `NVLink`s that the product has, in the order of their numbers.
    #[serde(default)]
    pub nvlinks: Vec<NvLinkFacts>,
    /// What the fabric manager has made of this GPU.
    #[serde(default)]
    pub fabric: Option<FabricFacts>,
    /// Whether the infoROM's checksum is right (`nvmlDeviceValidateInforom`).
    #[serde(default)]
    pub inforom_valid: Option<bool>,
    /// MIG devices, where MIG is on.
    #[serde(default)]
    pub mig_devices: Vec<MigDeviceFacts>,
    /// Calls that failed: which, code, words.
    pub errors: Vec<NvmlCallError>,
}

/// Pages of memory that were retired (`nvmlDeviceGetRetiredPages`, `nvmlDeviceGetRetiredPagesPendingStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredPages {
    /// Because of several single-bit errors.
    pub single_bit: u32,
    /// Because of a double-bit error.
    pub double_bit: u32,
    /// Whether one waits for a reboot.
    pub pending: bool,
}

/// One `NVLink`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvLinkFacts {
    /// Its number.
    pub link: u32,
    /// Whether it is active (`nvmlDeviceGetNvLinkState`).
    pub active: Option<bool>,
    /// Replays of packets.
    pub replays: Option<u64>,
    /// Recoveries of the link.
    pub recoveries: Option<u64>,
    /// Checksum errors of packets.
    pub crc_errors: Option<u64>,
}

/// `nvmlGpuFabricInfoV_t`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricFacts {
    /// 0 not supported, 1 not started, 2 in progress, 3 completed.
    pub state: u32,
    /// `nvmlReturn_t` of the completed registration.
    pub status: Option<i32>,
    /// The bits of `healthMask`.
    pub health_mask: Option<u32>,
    /// 1 healthy, 2 unhealthy, 3 limited capacity.
    pub health_summary: Option<u32>,
}

/// A MIG device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigDeviceFacts {
    /// NVML's index among the GPU's MIG devices.
    pub index: u32,
    /// `MIG-…`.
    pub uuid: Option<String>,
    /// The GPU instance's id.
    pub gpu_instance: Option<u32>,
    /// The compute instance's id.
    pub compute_instance: Option<u32>,
    /// `NVIDIA H100 80GB HBM3 MIG 1g.10gb`.
    pub name: Option<String>,
    /// Bytes.
    pub memory_total_bytes: Option<u64>,
}

/// Rows of memory that were remapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRemapping {
    /// Because of correctable errors.
    pub correctable: u32,
    /// Because of uncorrectable errors.
    pub uncorrectable: u32,
    /// Waits for a reset.
    pub pending: bool,
    /// A remapping failed.
    pub failed: bool,
}

/// An NVML call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmlCallError {
    /// `nvmlDeviceGetUUID`.
    pub call: String,
    /// NVML's return code, where it is known.
    pub code: Option<i32>,
    /// NVML's words.
    pub detail: String,
}
