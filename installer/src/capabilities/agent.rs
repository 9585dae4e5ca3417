//! The agent's place in the cluster: its namespace, what it may do, and the gate that every node's agent reports.
//!
//! The daemon itself is a unit of the host, which the agent's plan installs. Never writes to a node.

use super::gate;
use super::{Gate, GateResult};
use crate::cluster::ClusterError;
use crate::cluster::agents;
use crate::cluster::apply::{AppliedObject, apply, documents};
use crate::cluster::wait::{Seen, until};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::Api;
use std::time::Duration;

/// Our manifests, in the order in which they are applied.
pub const MANIFESTS: &[(&str, &str)] = &[
    (
        "namespace.yaml",
        include_str!("../../../manifests/agent/namespace.yaml"),
    ),
    ("rbac.yaml", include_str!("../../../manifests/agent/rbac.yaml")),
    (
        "admission-policy.yaml",
        include_str!("../../../manifests/agent/admission-policy.yaml"),
    ),
];
/// The field manager of these objects.
const MANAGER: &str = "bedplate-agent-install";
/// The agent writes its first conditions after its first pass, seconds after its start.
const LIMIT: Duration = Duration::from_mins(1);

const NAME: &str = "agent-reports";
const PROVES: &str = "every node's agent has written its conditions to its own Node object";

/// Applies what the agents may do.
pub async fn install(client: &Client) -> Result<Vec<AppliedObject>, ClusterError> {
    let mut done = Vec::new();
    for (name, text) in MANIFESTS {
        for object in documents(name, text)? {
            done.push(apply(client, MANAGER, object).await?);
        }
    }
    Ok(done)
}

/// Proves that each of these nodes carries conditions that its agent has written lately.
pub async fn prove(
    client: &Client,
    nodes: &[String],
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<Gate, ClusterError> {
    let api: Api<Node> = Api::all(client.clone());
    let reported = until("the agents' first reports", LIMIT, tell, || async {
        let mut silent = Vec::new();
        let mut evidence = Vec::new();
        for name in nodes {
            match report(&api.get(name).await?, Timestamp::now()) {
                Ok(report) => evidence.push(format!("{name}: {report}")),
                Err(why) => silent.push(format!("{name} {why}")),
            }
        }
        Ok(if silent.is_empty() {
            Seen::Yes(evidence)
        } else {
            Seen::NotYet(silent.join(", "))
        })
    })
    .await;
    let result = match reported {
        Ok(evidence) => GateResult::Passed { evidence },
        Err(ClusterError::TimedOut { last, .. }) => GateResult::Failed {
            finding: gate::failed(
                NAME,
                "bedplate-agent.service",
                &last,
                "on the node: journalctl -u bedplate-agent -n 50",
            ),
        },
        Err(e) => return Err(e),
    };
    Ok(Gate {
        name: NAME,
        proves: PROVES,
        result,
    })
}

/// What the agent of a node has said, or why it counts as silent.
fn report(node: &Node, now: Timestamp) -> Result<String, String> {
    let ours = agents::conditions(node);
    if ours.is_empty() {
        return Err("has no condition of the agent".to_owned());
    }
    match agents::heartbeat(&ours) {
        Some(at) if now.duration_since(at) <= agents::silent_after(node) => {}
        Some(at) => return Err(format!("has been silent since {at}")),
        None => return Err("has no heartbeat of the agent".to_owned()),
    }
    let problems: Vec<&str> = ours
        .iter()
        .filter(|condition| condition.status != "False")
        .map(|condition| condition.type_.as_str())
        .collect();
    Ok(if problems.is_empty() {
        format!("{} conditions, no problem", ours.len())
    } else {
        format!("{} conditions, not False: {}", ours.len(), problems.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(conditions: &serde_json::Value) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "n"}, "status": {"conditions": conditions}})).unwrap()
    }

    #[test]
    fn a_node_counts_as_reported_only_with_a_fresh_heartbeat_of_the_agent() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let condition =
            |kind: &str, status: &str, at: &str| json!({"type": kind, "status": status, "lastHeartbeatTime": at});
        let said = |conditions: serde_json::Value| report(&node(&conditions), now);
        assert!(said(json!([])).is_err());
        assert!(said(json!([condition("Ready", "True", "2026-11-21T11:59:59Z")])).is_err());
        let old = said(json!([condition("GPUDriverProblem", "False", "2026-11-21T11:00:00Z")]));
        assert!(old.unwrap_err().contains("silent since 2026-11-21T11:00:00Z"));
        let good = said(json!([condition("GPUDriverProblem", "False", "2026-11-21T11:59:00Z")]));
        assert_eq!(good.unwrap(), "1 conditions, no problem");
        let mut slow = node(&json!([condition("GPUDriverProblem", "False", "2026-11-21T11:00:00Z")]));
        let rhythm = (agents::GPUS.to_owned(), r#"{"heartbeat_seconds":3600}"#.to_owned());
        slow.metadata.annotations = Some([rhythm].into());
        assert!(
            report(&slow, now).is_ok(),
            "an agent that writes once an hour is not silent after one"
        );
        let bad = said(json!([condition("GPUDriverProblem", "True", "2026-11-21T11:59:00Z")]));
        assert!(bad.unwrap().contains("GPUDriverProblem"));
    }
}
