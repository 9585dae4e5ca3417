//! What the agent judges of a node's GPUs.

use crate::Finding;
use serde::{Deserialize, Serialize};

/// A judgement. `Unknown` is never `Healthy`: what could not be read has not been proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Read, judged, nothing wrong.
    Healthy,
    /// Could not be read.
    Unknown,
    /// Read, and something is wrong.
    Problem,
}

/// One GPU's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuVerdict {
    /// NVML's index in this pass.
    pub index: u32,
    /// `GPU-…`, absent when the handle could not be had.
    pub uuid: Option<String>,
    /// NVML's product name.
    pub name: Option<String>,
    /// `0000:17:00.0`, lower case, four-digit domain as in sysfs.
    pub pci_address: Option<String>,
    /// The judgement.
    pub health: Health,
}

/// The whole node's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst of the GPUs and the node's own findings.
    pub health: Health,
    /// One entry per GPU that NVML counted.
    pub gpus: Vec<GpuVerdict>,
    /// Why.
    pub findings: Vec<Finding>,
}
