//! What an agent leaves on its Node object, as everybody reads it: which conditions are its own, and when it last wrote. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// An agent that has nothing to say writes every five minutes; twice that is silence.
pub const SILENT: SignedDuration = SignedDuration::from_mins(10);

/// The agent's conditions are `GPU…Problem`, `GPUUnresponsive` and `NodePressureProblem` (docs/reasons.md); kubelet and its
/// neighbours name theirs otherwise.
fn is_the_agents(kind: &str) -> bool {
    let begins = ["GPU", "NodePressure"].iter().any(|prefix| kind.starts_with(prefix));
    begins && ["Problem", "Unresponsive"].iter().any(|suffix| kind.ends_with(suffix))
}

/// The conditions of a node that its agent writes.
pub fn conditions(node: &Node) -> Vec<&NodeCondition> {
    let all = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    all.filter(|condition| is_the_agents(&condition.type_)).collect()
}

/// When the agent last wrote one of them.
pub fn heartbeat(conditions: &[&NodeCondition]) -> Option<Timestamp> {
    let times = conditions
        .iter()
        .filter_map(|condition| condition.last_heartbeat_time.as_ref());
    times.filter_map(time).max()
}

/// Kubernetes' types bring a timestamp of their own; both print RFC 3339.
pub fn time(time: &Time) -> Option<Timestamp> {
    serde_json::to_value(time).ok()?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_of_somebody_else_is_not_the_agents() {
        for kind in ["MemoryPressure", "Ready", "KernelDeadlock", "GpuMemWatch"] {
            assert!(!is_the_agents(kind), "{kind}");
        }
        for kind in ["NodePressureProblem", "GPUXidProblem", "GPUUnresponsive"] {
            assert!(is_the_agents(kind), "{kind}");
        }
    }
}
