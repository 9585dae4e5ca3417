//! One thing that the driver reported. Made by [`super::reader`] and from NVML's events; kept by [`super::ledger`].

use super::nvlink5::Words;
use super::recovery::Recovery;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Xid {
    /// An XID with this number.
    Number(u32),
    /// The driver said so without an XID; it means what XID 79 means.
    FallenOffTheBus,
}

impl Xid {
    /// The number under which it is counted and looked up.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::FallenOffTheBus => 79,
        }
    }
}

/// Who reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// A record of facility kern in the kernel's log.
    KernelLog,
    /// An event of NVML.
    Nvml,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct XidEvent {
    /// When.
    pub(crate) at: Timestamp,
    /// By whom.
    pub(crate) source: Source,
    /// The record's number in the kernel's log of this boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<u64>,
    /// `0000:17:00.0`.
    pub(crate) pci_address: Option<String>,
    /// `GPU-…`, where the log or a pass over NVML has said which GPU is at the address.
    pub(crate) uuid: Option<String>,
    /// What.
    pub(crate) xid: Xid,
    /// The driver's own words, at most [`XidEvent::LINE`] bytes; empty for an event of NVML.
    pub(crate) line: String,
    /// What XID 154 changed the recovery action to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovery: Option<Recovery>,
    /// The words of XIDs 144 to 150.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nvlink5: Option<Words>,
}

impl XidEvent {
    /// How much of a line is kept.
    pub(crate) const LINE: usize = 512;

    /// What NVML says where it does not know which XID it was (nvml.h, `nvmlEventData_t`). The catalogue has no such row, so it reads
    /// as one that is not covered.
    pub(crate) const UNKNOWN: u32 = 999;

    /// An event that NVML gave: the address in any of its forms, where it is known.
    pub(crate) fn of_nvml(at: Timestamp, pci_address: Option<&str>, number: u32) -> Self {
        Self {
            at,
            source: Source::Nvml,
            sequence: None,
            pci_address: pci_address.and_then(super::normalise),
            uuid: None,
            xid: Xid::Number(number),
            line: String::new(),
            recovery: None,
            nvlink5: None,
        }
    }

    /// Which GPU, as far as is known: its UUID, else its PCI address.
    pub(crate) fn gpu(&self) -> Option<&str> {
        self.uuid.as_deref().or(self.pci_address.as_deref())
    }
}

/// The first [`XidEvent::LINE`] bytes, cut between characters.
pub(super) fn clip(line: &str) -> String {
    line.get(..line.floor_char_boundary(XidEvent::LINE))
        .unwrap_or_default()
        .to_owned()
}
