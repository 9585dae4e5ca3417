//! Temperature, power, clocks, processes. Part of the schema; read by `board`.

use serde::{Deserialize, Serialize};

use super::Series;

/// Power, in milliwatts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// Drawn now.
    pub usage_milliwatts: Series<u32>,
    /// The enforced limit.
    pub limit_milliwatts: u32,
}

/// Degrees Celsius at which the GPU does something about it. One that is absent answers `NOT_SUPPORTED`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TemperatureThresholds {
    /// The hardware turns itself off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<u32>,
    /// The hardware begins to slow down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowdown: Option<u32>,
    /// The memory's greatest operating temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<u32>,
    /// The GPU's greatest operating temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_max: Option<u32>,
}

/// The same four, as margins: `nvidia-smi` prints them as `T.Limit`. One that is absent answers `NOT_SUPPORTED`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarginTemperatures {
    /// The hardware turns itself off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<i32>,
    /// The hardware begins to slow down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowdown: Option<i32>,
    /// The memory's greatest operating temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<i32>,
    /// The GPU's greatest operating temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_max: Option<i32>,
}

/// Clocks, in megahertz. One that is absent is the profile's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clocks {
    /// Of the graphics engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graphics: Option<Series<u32>>,
    /// Of the streaming multiprocessors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm: Option<Series<u32>>,
    /// Of the memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Series<u32>>,
    /// Of the video engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<Series<u32>>,
}

/// How long each reason kept the clocks down, nanoseconds since the driver was loaded. One that is absent answers `NOT_SUPPORTED`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockEventTimes {
    /// `NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_power_cap: Option<Series<u64>>,
    /// `NVML_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_boost: Option<Series<u64>>,
    /// `NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_thermal_slowdown: Option<Series<u64>>,
    /// `NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_thermal_slowdown: Option<Series<u64>>,
    /// `NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_power_brake: Option<Series<u64>>,
}

/// Percent of the driver's last sample period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utilization {
    /// In which a kernel ran.
    pub gpu_percent: Series<u32>,
    /// In which memory was read or written.
    pub memory_percent: Series<u32>,
}

/// A process with a compute context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// GPU memory it uses, MiB.
    pub memory_mib: u64,
}
