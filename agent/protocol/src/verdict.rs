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

/// What should be done about a fault, on a ladder: each rung includes what the one before it would cure. Names after NVIDIA's
/// own buckets (XID catalogue: `RESTART_APP`, `RESET_GPU`, `RESTART_BM`, `CONTACT_SUPPORT`; docs.nvidia.com/deploy/xid-errors).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecommendedAction {
    /// Start the workload again.
    RestartApp,
    /// Reset the GPU, once nothing uses it.
    ResetGpu,
    /// Reboot the node.
    Reboot,
    /// Take the power away and give it back.
    PowerCycle,
    /// A person must act: examine the hardware, call its vendor, or mend the software that the finding's cure names.
    Service,
}

impl std::fmt::Display for RecommendedAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RestartApp => "restart app",
            Self::ResetGpu => "reset GPU",
            Self::Reboot => "reboot",
            Self::PowerCycle => "power cycle",
            Self::Service => "service",
        })
    }
}

impl RecommendedAction {
    const ALL: [Self; 5] = [
        Self::RestartApp,
        Self::ResetGpu,
        Self::Reboot,
        Self::PowerCycle,
        Self::Service,
    ];

    /// How the message of a node condition begins that recommends it: the agent writes it, `bedplate status` reads it.
    pub fn opening(self) -> String {
        format!("Recommended: {self}. ")
    }

    /// What the message of a node condition recommends.
    pub fn opens(message: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| message.starts_with(&action.opening()))
    }
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
    /// The board's serial number, by which its vendor knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// `0000:17:00.0`, lower case, four-digit domain as in sysfs.
    pub pci_address: Option<String>,
    /// The judgement.
    pub health: Health,
    /// The one thing to do: the highest rung that an error about it asks for; without one, that a warning asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RecommendedAction>,
}

/// The whole node's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst of the GPUs and the node's own findings.
    pub health: Health,
    /// One entry per GPU that NVML counted.
    pub gpus: Vec<GpuVerdict>,
    /// The one thing to do: the highest rung that an error asks for; without one, that a warning asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RecommendedAction>,
    /// Why.
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_condition_recommends_is_read_as_it_is_written() {
        for action in RecommendedAction::ALL {
            let message = format!("{}a/GPU-1: it is lost [gpu-lost]", action.opening());
            assert_eq!(RecommendedAction::opens(&message), Some(action));
        }
        assert_eq!(RecommendedAction::opens("a: reset GPU [gpu-lost]"), None);
        assert_eq!(RecommendedAction::opens("Recommended: reset GPUs. a"), None);
    }
}
