//! What bedplate installs in a cluster, one file a capability: its objects, and the gate that proves it works.
//!
//! Called by `cli/up.rs`, in the order network, agent, gpu. A capability never touches a host; that is the agent's.

pub mod agent;
pub mod gate;
pub mod gpu;
pub mod network;

use crate::cluster::apply::{Applied, AppliedObject};
use bedplate_protocol::Finding;
use serde::Serialize;

/// How a gate ended. `Unproven` is never `Passed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum GateResult {
    /// It was exercised and it worked.
    Passed {
        /// What was seen.
        evidence: Vec<String>,
    },
    /// It was exercised and it did not work.
    Failed {
        /// Why, and the cure.
        finding: Finding,
    },
    /// It could not be exercised.
    Unproven {
        /// What was not there.
        reason: String,
    },
}

/// A gate and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// `pod-network`, `gpu-time-slicing`.
    pub name: &'static str,
    /// What it proves, for people.
    pub proves: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub result: GateResult,
}

/// The objects among these that were not as they should have been, described for people.
pub fn changes(applied: &[AppliedObject]) -> Vec<String> {
    applied
        .iter()
        .filter_map(|one| match &one.applied {
            Applied::Unchanged => None,
            Applied::Created => Some(format!("{} created", one.object)),
            Applied::Changed(paths) => Some(format!("{} changed: {}", one.object, paths.join(", "))),
            Applied::Conflict(finding) => Some(format!("{} not changed: {}", one.object, finding.message)),
        })
        .collect()
}

/// The conflicts among these.
pub fn conflicts(applied: &[AppliedObject]) -> Vec<Finding> {
    applied
        .iter()
        .filter_map(|one| match &one.applied {
            Applied::Conflict(finding) => Some(finding.clone()),
            _ => None,
        })
        .collect()
}
