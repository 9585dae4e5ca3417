//! One GPU of a scenario. Part of the schema; read by `board`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::links::{Fabric, NvLink, PcieLink};
use super::memory::{Ecc, RetiredPages, RowRemapping, SramEcc};
use super::telemetry::{
    ClockEventTimes, Clocks, MarginTemperatures, Power, Process, TemperatureThresholds, Utilization,
};
use super::{CallName, Hang, Mig, PciAddress, Platform, Series};
use crate::profiles::ProfileName;

/// One GPU. A value that is absent here is the profile's; one that the profile does not know either answers `NOT_SUPPORTED`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The device.
    pub profile: ProfileName,
    /// Its place on PCI, `0000:18:00.0`.
    pub pci_address: PciAddress,
    /// The N of `/dev/nvidiaN`.
    pub minor: u32,
    /// `GPU-…`; without it, one derived from the PCI address, the same on every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The board's serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Another product name than the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `96.00.89.00.01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vbios_version: Option<String>,
    /// Memory in use, MiB; without it, that of `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_mib: Option<u64>,
    /// Whether the driver stays loaded without a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence_mode: Option<bool>,
    /// Degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<Series<u32>>,
    /// Of the memory, degrees Celsius (`NVML_FI_DEV_MEMORY_TEMP`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_temperature_celsius: Option<Series<u32>>,
    /// Where the GPU slows down and turns itself off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_thresholds: Option<TemperatureThresholds>,
    /// Degrees to the nearest slowdown; negative is past it. Without it, what is left to `temperature_thresholds.slowdown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_margin_celsius: Option<Series<i32>>,
    /// Where the GPU slows down and turns itself off, counted from the margin (`NVML_FI_DEV_TEMPERATURE_*_TLIMIT`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_temperatures: Option<MarginTemperatures>,
    /// Power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Millijoules since the driver was loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_millijoules: Option<Series<u64>>,
    /// Clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<Clocks>,
    /// Why the clocks are below the highest: the bits `nvmlClocksEventReason…` of nvml.h, e.g. 64 hardware thermal slowdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks_event_reasons: Option<Series<u64>>,
    /// How long each reason held, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks_event_nanoseconds: Option<ClockEventTimes>,
    /// The N of `P<N>`, 0 to 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance_state: Option<u32>,
    /// Utilisation; without it, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization: Option<Utilization>,
    /// ECC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecc: Option<Ecc>,
    /// ECC of on-chip memory, with the threshold that NVIDIA examines cards by (`nvmlDeviceGetSramEccErrorStatus`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sram_ecc: Option<SramEcc>,
    /// Remapped rows of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_remapping: Option<RowRemapping>,
    /// Retired pages of memory. A GPU retires pages or remaps rows: with this, row remapping answers `NOT_SUPPORTED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_pages: Option<RetiredPages>,
    /// Whether the infoROM's checksums are right (`nvmlDeviceValidateInforom`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inforom_valid: Option<bool>,
    /// `G520.0200.00.05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inforom_version: Option<String>,
    /// The link as negotiated; the profile's is the highest possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcie: Option<PcieLink>,
    /// PCIe replays since the driver was loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcie_replays: Option<Series<u32>>,
    /// How often that counter began again at 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcie_replay_rollovers: Option<Series<u32>>,
    /// `NVLink`s in the order of their numbers, at most 18. An empty list is a GPU without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvlinks: Option<Vec<NvLink>>,
    /// What the fabric manager has made of the GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fabric: Option<Fabric>,
    /// MIG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<Mig>,
    /// Where the GPU sits in a rack, on platforms that know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The GPU's number on its baseboard (`nvmlDeviceGetModuleId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_id: Option<u32>,
    /// `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION`: 0 none, 1 reset GPU, 2 reboot node, 3 drain peer-to-peer, 4 drain and reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_action: Option<Series<u32>>,
    /// Processes with a compute context.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Process>,
    /// The GPU has fallen off the bus: its handle and every call on it answer `GPU_IS_LOST` (15).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// Makes a call on this GPU hang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hang: Option<Hang>,
    /// Makes calls on this GPU answer these NVML return codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub returns: BTreeMap<CallName, u32>,
    /// Makes field values of this GPU answer these NVML return codes, by the number of the field (`NVML_FI_…`). The call succeeds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub field_returns: BTreeMap<u32, u32>,
}
