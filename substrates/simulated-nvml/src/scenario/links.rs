//! What a GPU is connected by: PCIe, `NVLink`, the fabric behind it, its place in a rack. Part of the schema; read by `board`.

use serde::{Deserialize, Serialize};

use super::{PciAddress, Series};

/// A PCIe link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcieLink {
    /// 1 to 6.
    pub generation: u32,
    /// Lanes.
    pub width: u32,
}

/// One `NVLink`. Counters that are absent are 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NvLink {
    /// Whether it is active.
    pub active: bool,
    /// Replays of packets.
    #[serde(default = "none")]
    pub replays: Series<u64>,
    /// Recoveries of the link.
    #[serde(default = "none")]
    pub recoveries: Series<u64>,
    /// Checksum errors of flow control digits.
    #[serde(default = "none")]
    pub crc_errors: Series<u64>,
    /// Checksum errors of data.
    #[serde(default = "none")]
    pub crc_data_errors: Series<u64>,
    /// ECC errors of data.
    #[serde(default = "none")]
    pub ecc_errors: Series<u64>,
    /// `nvmlNvlinkVersion_t`: 6 is `NVLink` 4.0, 7 is 5.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What is at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
}

fn none() -> Series<u64> {
    Series::Constant(0)
}

impl NvLink {
    /// A link without an error.
    pub fn clean(active: bool) -> Self {
        Self {
            active,
            replays: none(),
            recoveries: none(),
            crc_errors: none(),
            crc_data_errors: none(),
            ecc_errors: none(),
            version: None,
            remote: None,
        }
    }
}

/// The other end of an `NVLink`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// Where it is on PCI.
    pub pci_address: PciAddress,
    /// What it is.
    pub device: RemoteDevice,
}

/// `nvmlIntNvLinkDeviceType_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemoteDevice {
    /// Another GPU.
    Gpu,
    /// An `NVSwitch`.
    Switch,
    /// NVML does not know.
    Unknown,
}

/// `nvmlGpuFabricInfoV_t`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fabric {
    /// 0 not supported, 1 not started, 2 in progress, 3 completed.
    pub state: u8,
    /// `nvmlReturn_t` of the completed registration.
    #[serde(default)]
    pub status: u32,
    /// The clique among the GPUs of the cluster.
    #[serde(default)]
    pub clique: u32,
    /// 32 hexadecimal digits, dashes allowed; without it, zeros: no cluster beyond this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uuid: Option<String>,
    /// The bits of `NVML_GPU_FABRIC_HEALTH_MASK_*`.
    #[serde(default)]
    pub health_mask: u32,
    /// 0 not supported, 1 healthy, 2 unhealthy, 3 limited capacity.
    #[serde(default)]
    pub health_summary: u8,
}

impl Fabric {
    /// The cluster's UUID; `None` when the text is none.
    pub(crate) fn cluster(&self) -> Option<[u8; 16]> {
        let Some(text) = &self.cluster_uuid else {
            return Some([0; 16]);
        };
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
    }
}

/// `nvmlPlatformInfo_v2_t`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Platform {
    /// At most 16 bytes.
    pub chassis_serial: String,
    /// The slot in the chassis, switches counted.
    pub slot: u8,
    /// The tray among the compute trays.
    pub tray: u8,
    /// The node in the slot.
    pub host: u8,
    /// What kind of peers there are.
    pub peer_type: u8,
    /// The GPU in the node.
    pub module_id: u8,
}
