//! The scenario file: its schema, reading and writing it.
//!
//! Called by the library (`state`), which only reads, and by a substrate, which writes. It knows nothing of the ABI beyond the names of
//! the exported calls.
//!
//! ```yaml
//! driver_version: 580.95.05
//! nvml_version: 13.580.95.05
//! cuda_version: "13.0"
//! gpus:
//! - {profile: h100-80gb-hbm3, pci_address: "0000:18:00.0", minor: 0, uuid: GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001}
//! - profile: h100-80gb-hbm3
//!   pci_address: "0000:38:00.0"
//!   minor: 1
//!   # A value, a ramp, or steps [second, value]: each counted from when this file was last written (see `Series`).
//!   temperature_celsius: {ramp: [60, 95], seconds: 30}
//!   temperature_thresholds: {shutdown: 92, slowdown: 87}
//!   power: {usage_milliwatts: [[0, 95000], [10, 612000]], limit_milliwatts: 700000}
//!   clocks_event_reasons: [[0, 1], [10, 64]]
//!   persistence_mode: false
//!   ecc: {enabled: true, uncorrected_volatile: 2, uncorrected_aggregate: 5, places: {sram: {uncorrected_volatile: 2}}}
//!   sram_ecc: {threshold_exceeded: true}
//!   row_remapping: {correctable: 0, uncorrectable: 1, pending: true, failed: false}
//!   inforom_valid: false
//!   pcie: {generation: 3, width: 8}
//!   pcie_replays: {ramp: [0, 900], seconds: 60}
//!   nvlinks: [{active: true, replays: 3}, {active: false}]
//!   fabric: {state: 3, status: 0, health_mask: 0, health_summary: 1}
//!   recovery_action: 1
//!   processes: [{pid: 4711, memory_mib: 1024}]
//!   hang: {call: nvmlDeviceGetTemperature, seconds: forever}
//!   returns: {nvmlDeviceGetSerial: 999}
//!   field_returns: {82: 15}
//! latency: {microseconds: 200, calls: {nvmlDeviceGetFieldValues: 900}}
//! returns: {nvmlEventSetCreate: 17}
//! newest_struct_versions: {nvmlDeviceGetGpuFabricInfoV: 2}
//! events:
//! - {id: 1, gpu: 1, xid: 79}
//! - {id: 2, gpu: 1, kind: gpu-recovery-action, data: 1}
//! ```
//!
//! Every key of a GPU is documented at [`Gpu`], of a MIG device at [`MigDevice`]. A client that runs sees each change at its next call.
//! A symbol that is missing is a matter of the library's file, not of the scenario: [`crate::library::Library::write_without`].

mod address;
mod call;
mod contradiction;
mod document;
mod error;
mod event;
mod fault;
mod gpu;
mod links;
mod memory;
mod mig;
mod series;
mod telemetry;
mod typed;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use address::PciAddress;
pub use call::CallName;
pub(crate) use contradiction::cuda_number;
use document::{At, Node};
pub use error::ScenarioError;
pub use event::{Event, EventKind};
pub use fault::{Forever, Hang, HangTime, InitFailure, Latency};
pub use gpu::Gpu;
pub use links::{Fabric, NvLink, PcieLink, Platform, Remote, RemoteDevice};
pub use memory::{Ecc, EccCounts, MemoryPlace, RetiredPage, RetiredPages, RowRemapping, SpareRows, SramEcc, SramUnits};
pub use mig::{Mig, MigDevice};
pub use series::{Ramp, Series};
pub use telemetry::{ClockEventTimes, Clocks, MarginTemperatures, Power, Process, TemperatureThresholds, Utilization};

/// What the library answers from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// `580.95.05`. May differ from the version in the library's file name: that is a fault worth simulating.
    pub driver_version: String,
    /// NVML's own version, `13.580.95.05`.
    pub nvml_version: String,
    /// The newest CUDA version that the driver supports, `13.0`.
    pub cuda_version: String,
    /// The GPUs in the order of NVML's indexes.
    pub gpus: Vec<Gpu>,
    /// Makes `nvmlInit`, `nvmlInit_v2` and `nvmlInitWithFlags` fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<InitFailure>,
    /// Makes a call hang that names no GPU (`nvmlInit`, `nvmlDeviceGetCount`, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hang: Option<Hang>,
    /// Makes calls that name no GPU (`nvmlDeviceGetCount`, `nvmlEventSetCreate`, …) answer these NVML return codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub returns: BTreeMap<CallName, u32>,
    /// An older library: the newest version of its struct that a call knows, 0 for none. Asked for a newer one it writes nothing and
    /// answers `ARGUMENT_VERSION_MISMATCH` (25).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub newest_struct_versions: BTreeMap<CallName, u32>,
    /// Makes every call take time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Events. An event set gets those that appear here after it was registered for the GPU, each id once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

impl Scenario {
    /// Reads a scenario from text. `path` is for error messages only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ScenarioError> {
        let syntax = |mistake: typed::Mistake| {
            let at = mistake.at.unwrap_or(At { line: 1, column: 1 });
            ScenarioError::Syntax {
                path: path.into(),
                line: at.line,
                column: at.column,
                detail: mistake.words,
            }
        };
        let document = Node::of(text).map_err(syntax)?;
        let scenario: Self = typed::read(&document).map_err(syntax)?;
        match scenario.contradiction() {
            None => Ok(scenario),
            Some((place, detail)) => Err(ScenarioError::Invalid {
                path: path.into(),
                line: place.line(&document),
                detail,
            }),
        }
    }

    /// The scenario as YAML text that [`Scenario::parse`] reads back.
    pub fn to_yaml(&self, path: &Path) -> Result<String, ScenarioError> {
        serde_saphyr::to_string(self).map_err(|error| ScenarioError::Unwritable {
            path: path.into(),
            detail: error.to_string(),
        })
    }

    /// Writes the file in place, under an exclusive lock, so that a client that has it open or mounted reads the old or the new text
    /// and never half of one.
    pub fn write(&self, path: &Path) -> Result<(), ScenarioError> {
        let text = self.to_yaml(path)?;
        let io = |source| ScenarioError::Io {
            path: path.into(),
            source,
        };
        let mut file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        file.lock().map_err(io)?;
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(io)
    }
}
