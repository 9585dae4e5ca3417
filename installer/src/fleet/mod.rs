//! What the agents have said of a cluster's GPUs, and what stands in a node's way: from Node objects to a [`Fleet`].
//!
//! Pure: no client and no clock. Called by the verb `status`. An agent that has been silent says nothing: what it said last
//! is shown as old and never counts as healthy.

mod read;
mod sign;
mod table;

use bedplate_protocol::{Finding, Health, RecommendedAction};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use read::{code, read};
pub use table::table;

/// All nodes, by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fleet {
    /// When it was read.
    pub at: Timestamp,
    /// The worst of all nodes that are judged; unknown where none is.
    pub health: Health,
    /// Nodes.
    pub nodes: Vec<NodeStatus>,
    /// What a person must hear, the gravest node by node.
    pub findings: Vec<Finding>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// The worst of its GPUs and conditions; unknown while no agent looks or its verdict cannot be read. None where there is
    /// nothing to judge: no agent, and no sign of a GPU.
    pub health: Option<Health>,
    /// Whether kubelet says that it can run pods.
    pub ready: bool,
    /// Whether new pods are kept away (`kubectl cordon`).
    pub cordoned: bool,
    /// Taints of bedplate's domain, as kubectl writes them: `bedplate.dev/gpu-unhealthy=reset-gpu:NoSchedule`.
    pub taints: Vec<String>,
    /// What its agent does.
    pub agent: Agent,
    /// `nvidia.com/gpu` that pods may ask for.
    pub allocatable_gpus: u64,
    /// Its GPUs as the agent last judged them.
    pub gpus: Vec<GpuStatus>,
    /// Conditions of the agent that are not False.
    pub conditions: Vec<ConditionStatus>,
}

/// What a node's agent does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Agent {
    /// It has written lately.
    Reports {
        /// When.
        last: Timestamp,
    },
    /// It has not.
    Silent {
        /// Since when.
        since: Timestamp,
    },
    /// It never has.
    Absent,
}

/// One GPU, as in the annotation [`GPUS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuStatus {
    /// `GPU-…`; absent where the agent could not have it.
    #[serde(default)]
    pub uuid: Option<String>,
    /// `0000:17:00.0`.
    #[serde(default)]
    pub pci: Option<String>,
    /// NVML's product name.
    #[serde(default)]
    pub model: Option<String>,
    /// The verdict.
    pub health: Health,
    /// The one thing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RecommendedAction>,
    /// Codes of the findings that hold.
    #[serde(default)]
    pub codes: Vec<String>,
}

/// A condition of the agent that is not False.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConditionStatus {
    /// `GPUMemoryProblem`.
    pub kind: String,
    /// True is a problem, Unknown is unknown.
    pub health: Health,
    /// `EccUncorrected`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
}
