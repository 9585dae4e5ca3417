//! From Node objects to a [`Fleet`]. Called through the room's `mod`.

use super::{Agent, ConditionStatus, Fleet, GPUS, GpuStatus, NodeStatus};
use crate::cluster::agents::{self, SILENT};
use bedplate_protocol::{Finding, Health, Severity};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The annotation [`GPUS`], as far as it is shown.
#[derive(Deserialize)]
struct Mark {
    gpus: Vec<GpuStatus>,
}

/// What these nodes' agents have said, as of `at`.
pub fn read(nodes: &[Node], at: Timestamp) -> Fleet {
    let mut read: Vec<(NodeStatus, Vec<Finding>)> = nodes.iter().map(|node| one(node, at)).collect();
    read.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let (nodes, findings): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    Fleet {
        at,
        nodes,
        findings: findings.into_iter().flatten().collect(),
    }
}

fn one(node: &Node, at: Timestamp) -> (NodeStatus, Vec<Finding>) {
    let name = node.metadata.name.clone().unwrap_or_default();
    let conditions: Vec<&NodeCondition> = node.status.iter().flat_map(|s| s.conditions.iter().flatten()).collect();
    let ours = agents::conditions(node);
    let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
    let agent = match agents::heartbeat(&ours) {
        None => Agent::Absent,
        Some(last) if at.duration_since(last) > SILENT => Agent::Silent { since: last },
        Some(last) => Agent::Reports { last },
    };
    let mut findings = Vec::new();
    let gpus = annotation(node.metadata.annotations.as_ref(), &name, &mut findings);
    let status = NodeStatus {
        ready,
        cordoned: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
        allocatable_gpus: allocatable(node),
        gpus,
        conditions: ours.iter().filter_map(|c| not_false(c)).collect(),
        agent,
        name,
    };
    in_the_way(&status, &mut findings);
    (status, findings)
}

fn not_false(condition: &NodeCondition) -> Option<ConditionStatus> {
    let health = match condition.status.as_str() {
        "False" => return None,
        "True" => Health::Problem,
        _ => Health::Unknown,
    };
    Some(ConditionStatus {
        kind: condition.type_.clone(),
        health,
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
        since: condition.last_transition_time.as_ref().and_then(agents::time),
    })
}

fn allocatable(node: &Node) -> u64 {
    let resources = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    resources
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.as_str() == "nvidia.com/gpu" || name.as_str() == "nvidia.com/gpu.shared")
        .filter_map(|(_, quantity)| quantity.0.parse::<u64>().ok())
        .sum()
}

fn annotation(
    annotations: Option<&BTreeMap<String, String>>,
    node: &str,
    findings: &mut Vec<Finding>,
) -> Vec<GpuStatus> {
    let Some(text) = annotations.and_then(|all| all.get(GPUS)) else {
        return Vec::new();
    };
    let mark: Result<Mark, _> = serde_json::from_str(text);
    match mark {
        Ok(mark) => mark.gpus,
        Err(error) => {
            findings.push(
                Finding::new(
                    Severity::Warning,
                    "gpu-annotation",
                    node,
                    format!("what the annotation {GPUS} says cannot be read: {error}"),
                    "run `bedplate up` again with one release of bedplate, so that agent and installer agree",
                )
                .with_evidence(text.chars().take(200).collect::<String>()),
            );
            Vec::new()
        }
    }
}

/// What keeps this node from work, each with its cure.
fn in_the_way(node: &NodeStatus, findings: &mut Vec<Finding>) {
    let name = &node.name;
    let mut add = |severity, code: &str, message: String, cure: String| {
        findings.push(Finding::new(severity, code, name, message, cure));
    };
    match &node.agent {
        Agent::Silent { since } => add(
            Severity::Error,
            "agent-silent",
            format!("the agent has not written since {since}, so nothing that is shown of its GPUs is known to hold"),
            "on the node: systemctl status bedplate-agent; a node that was off for longer than its token lives (24 h) comes back \
             with `bedplate up`"
                .to_owned(),
        ),
        Agent::Absent if node.allocatable_gpus > 0 => add(
            Severity::Error,
            "agent-absent",
            format!("it offers {} nvidia.com/gpu and no agent has ever reported", node.allocatable_gpus),
            "bedplate up".to_owned(),
        ),
        Agent::Reports { .. } | Agent::Absent => {}
    }
    if !node.ready {
        add(
            Severity::Error,
            "node-not-ready",
            "kubelet does not report the node as Ready".to_owned(),
            format!("kubectl describe node {name}"),
        );
    }
    if node.cordoned {
        add(
            Severity::Warning,
            "node-cordoned",
            "no new pod is scheduled to it".to_owned(),
            format!("when it is mended: kubectl uncordon {name}"),
        );
    }
    for condition in &node.conditions {
        let severity = if condition.health == Health::Problem {
            Severity::Error
        } else {
            Severity::Warning
        };
        let since = condition.since.map_or_else(String::new, |at| format!(" since {at}"));
        let action = node.gpus.iter().filter_map(|gpu| gpu.action).max();
        let cure = action.map_or_else(
            || "on the node: bedplate-agent check".to_owned(),
            |action| format!("{action}; `bedplate-agent check` on the node says how"),
        );
        add(
            severity,
            &kebab_case(&condition.kind),
            format!("{}{since}: {}", condition.reason, condition.message),
            cure,
        );
    }
}

/// `GPUMemoryProblem` as a finding's code: `gpu-memory-problem`.
fn kebab_case(kind: &str) -> String {
    let mut code = String::new();
    let letters: Vec<char> = kind.chars().collect();
    for (n, letter) in letters.iter().enumerate() {
        let begins = n > 0
            && letter.is_ascii_uppercase()
            && (letters[n - 1].is_ascii_lowercase() || letters.get(n + 1).is_some_and(char::is_ascii_lowercase));
        if begins {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn node(name: &str, heartbeat: Option<&str>, problem: Option<&str>, gpus: &Value) -> Node {
        let mut conditions = vec![json!({"type": "Ready", "status": "True", "lastHeartbeatTime": NOW})];
        if let Some(at) = heartbeat {
            conditions.push(json!({"type": "GPUDriverProblem", "status": "False", "lastHeartbeatTime": at}));
            if let Some(kind) = problem {
                conditions.push(
                    json!({"type": kind, "status": "True", "reason": "EccUncorrected", "message": "2 uncorrected",
                    "lastHeartbeatTime": at, "lastTransitionTime": "2026-11-21T11:00:00Z"}),
                );
            }
        }
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {GPUS: json!({"agent": "0.1.0", "gpus": gpus}).to_string()}},
            "status": {"conditions": conditions, "allocatable": {"nvidia.com/gpu": "8", "cpu": "4"}},
        }))
        .unwrap()
    }

    fn fleet(nodes: &[Node]) -> Fleet {
        read(nodes, NOW.parse().unwrap())
    }

    #[test]
    fn a_healthy_fleet_has_nothing_in_its_way() {
        let gpus =
            json!([{"uuid": "GPU-1", "pci": "0000:17:00.0", "model": "NVIDIA H100", "health": "healthy", "codes": []}]);
        let fleet = fleet(&[
            node("b", Some("2026-11-21T11:58:00Z"), None, &gpus),
            node("a", Some(NOW), None, &gpus),
        ]);
        assert_eq!(fleet.health(), Health::Healthy);
        assert_eq!(fleet.findings, Vec::new());
        assert_eq!(fleet.nodes[0].name, "a");
        assert_eq!(fleet.nodes[1].allocatable_gpus, 8);
    }

    #[test]
    fn a_condition_is_a_finding_with_since_when_and_what_to_do() {
        let gpus = json!([{"uuid": "GPU-1", "health": "problem", "action": "reset-gpu", "codes": ["ecc-uncorrected"]}]);
        let fleet = fleet(&[node("a", Some(NOW), Some("GPUMemoryProblem"), &gpus)]);
        assert_eq!(fleet.health(), Health::Problem);
        let finding = &fleet.findings[0];
        assert_eq!(finding.code, "gpu-memory-problem");
        assert!(finding.message.contains("since 2026-11-21T11:00:00Z"), "{finding}");
        assert!(finding.remedy.contains("reset GPU"), "{finding}");
    }

    #[test]
    fn a_silent_agent_is_never_healthy_whatever_it_said_last() {
        let gpus = json!([{"uuid": "GPU-1", "health": "healthy"}]);
        let fleet = fleet(&[node("a", Some("2026-11-21T11:49:59Z"), None, &gpus)]);
        assert_eq!(fleet.health(), Health::Unknown);
        assert_eq!(fleet.findings[0].code, "agent-silent");
        let fleet = read(&[node("a", None, None, &gpus)], NOW.parse().unwrap());
        assert_eq!(
            (fleet.health(), fleet.findings[0].code.as_str()),
            (Health::Unknown, "agent-absent")
        );
    }

    #[test]
    fn an_annotation_that_is_no_list_is_told_and_hides_nothing_else() {
        let fleet = fleet(&[node("a", Some(NOW), Some("GPUUnresponsive"), &json!("?"))]);
        let codes: Vec<&str> = fleet.findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["gpu-annotation", "gpu-unresponsive"]);
    }
}
