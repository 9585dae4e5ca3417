//! What an agent leaves on its Node object, as everybody reads it: which conditions are its own, and when it last wrote. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The annotation in which an agent keeps its verdict of each GPU, and how often it writes.
pub const GPUS: &str = "bedplate.dev/gpus";
/// How often an agent writes that was told nothing else, seconds (`docs/agent.md`).
const HEARTBEAT: i64 = 300;
/// What an agent can be told; another number is no agent's.
const LEGAL: RangeInclusive<i64> = 10..=3600;

/// The annotation [`GPUS`], as far as it is about time.
#[derive(Deserialize)]
struct Rhythm {
    heartbeat_seconds: i64,
}

/// After how long without a word this node's agent counts as silent: twice the heartbeat that it was told.
pub fn silent_after(node: &Node) -> SignedDuration {
    let text = node.metadata.annotations.as_ref().and_then(|all| all.get(GPUS));
    let told = text
        .and_then(|text| serde_json::from_str::<Rhythm>(text).ok())
        .map(|rhythm| rhythm.heartbeat_seconds)
        .filter(|seconds| LEGAL.contains(seconds));
    SignedDuration::from_secs(2 * told.unwrap_or(HEARTBEAT))
}

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
    use serde_json::json;

    #[test]
    fn an_agent_is_silent_after_twice_the_heartbeat_that_it_was_told() {
        let after = |annotation: &str| {
            let node = json!({"metadata": {"annotations": {GPUS: annotation}}});
            silent_after(&serde_json::from_value(node).unwrap()).as_secs()
        };
        assert_eq!(after(r#"{"heartbeat_seconds": 3600, "gpus": []}"#), 7200);
        assert_eq!(after(r#"{"heartbeat_seconds": 10}"#), 20);
        for none in [
            "{}",
            "?",
            r#"{"heartbeat_seconds": 86400}"#,
            r#"{"heartbeat_seconds": -1}"#,
        ] {
            assert_eq!(after(none), 600, "{none}");
        }
        assert_eq!(silent_after(&Node::default()).as_secs(), 600);
    }

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
