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
//!   temperature_celsius: 91
//!   row_remapping: {correctable: 0, uncorrectable: 1, pending: true, failed: false}
//!   recovery_action: 1
//!   processes: [{pid: 4711, memory_mib: 1024}]
//!   hang: {call: nvmlDeviceGetTemperature, seconds: forever}
//! events:
//! - {id: 1, gpu: 1, xid: 79}
//! ```

mod address;
mod call;
mod contradiction;
mod error;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use address::PciAddress;
pub use call::CallName;
pub(crate) use contradiction::cuda_number;
pub use error::ScenarioError;

use crate::profiles::ProfileName;

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
    /// XID events. An event set gets those that appear here after it was registered for the GPU, each id once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<XidEvent>,
}

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
    /// Memory in use, MiB; without it, that of `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_mib: Option<u64>,
    /// Degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<u32>,
    /// Power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// ECC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecc: Option<Ecc>,
    /// Remapped rows of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_remapping: Option<RowRemapping>,
    /// The link as negotiated; the profile's is the highest possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcie: Option<PcieLink>,
    /// `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION`: 0 none, 1 reset GPU, 2 reboot node, 3 drain peer-to-peer, 4 drain and reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_action: Option<u32>,
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
}

/// How `nvmlInit` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitFailure {
    /// The NVML return code, e.g. 9 driver not loaded, 18 library and driver differ.
    pub code: u32,
}

/// A call that does not come back for a while. It comes back early when the scenario no longer names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hang {
    /// `nvmlDeviceGetTemperature`; stands for every version of the call.
    pub call: CallName,
    /// A number, or `forever`.
    pub seconds: HangTime,
}

/// How long a call hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "seconds must be a whole number or `forever`")]
pub enum HangTime {
    /// Seconds.
    For(u64),
    /// Until the scenario changes.
    Always(Forever),
}

/// The word `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forever {
    /// The word itself.
    #[serde(rename = "forever")]
    Forever,
}

/// An XID error that the driver reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XidEvent {
    /// Distinguishes this event from every other of the file, so that it is delivered once.
    pub id: u64,
    /// Position in `gpus`, from 0.
    pub gpu: usize,
    /// The XID.
    pub xid: u64,
}

/// Power, in milliwatts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// Drawn now.
    pub usage_milliwatts: u32,
    /// The enforced limit.
    pub limit_milliwatts: u32,
}

/// ECC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ecc {
    /// Whether it is on. Off, the counters answer `NOT_SUPPORTED`, as nvml.h says of `nvmlDeviceGetTotalEccErrors`.
    pub enabled: bool,
    /// Corrected errors since the driver was loaded.
    #[serde(default)]
    pub corrected_volatile: u64,
    /// Uncorrected errors since the driver was loaded.
    #[serde(default)]
    pub uncorrected_volatile: u64,
}

/// Remapped rows of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A PCIe link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcieLink {
    /// 1 to 6.
    pub generation: u32,
    /// Lanes.
    pub width: u32,
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

impl Scenario {
    /// Reads a scenario from text. `path` is for error messages only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_saphyr::from_str(text).map_err(|error| ScenarioError::Syntax {
            path: path.into(),
            detail: error.to_string(),
        })?;
        match scenario.contradiction() {
            None => Ok(scenario),
            Some((place, detail)) => Err(ScenarioError::Invalid {
                path: path.into(),
                line: place.line(text),
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
