//! What is read of Node objects, and what of it stands in a node's way.

use super::*;
use serde_json::{Value, json};

const NOW: &str = "2026-11-21T12:00:00Z";

fn node(name: &str, heartbeat: Option<&str>, problem: Option<&str>, gpus: &Value) -> Node {
    let mut conditions = vec![json!({"type": "Ready", "status": "True", "lastHeartbeatTime": NOW})];
    if let Some(at) = heartbeat {
        conditions.push(json!({"type": "GPUDriverProblem", "status": "False", "lastHeartbeatTime": at}));
        if let Some(kind) = problem {
            conditions.push(json!({"type": kind, "status": "True", "reason": "EccUncorrected",
                "message": "Recommended: reset GPU. a/GPU-1: 2 uncorrected [ecc-uncorrected]",
                "lastHeartbeatTime": at, "lastTransitionTime": "2026-11-21T11:00:00Z"}));
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
    assert_eq!(fleet.health, Health::Healthy);
    assert_eq!(fleet.findings, Vec::new());
    assert_eq!(fleet.nodes[0].name, "a");
    assert_eq!(fleet.nodes[1].allocatable_gpus, 8);
}

#[test]
fn a_condition_is_a_finding_with_since_when_and_what_to_do() {
    let gpus = json!([{"uuid": "GPU-1", "health": "problem", "action": "reset-gpu", "codes": ["ecc-uncorrected"]}]);
    let fleet = fleet(&[node("a", Some(NOW), Some("GPUMemoryProblem"), &gpus)]);
    assert_eq!(fleet.health, Health::Problem);
    let finding = &fleet.findings[0];
    assert_eq!(finding.code, "gpu-memory-problem");
    assert!(finding.message.contains("since 2026-11-21T11:00:00Z"), "{finding}");
    assert!(finding.remedy.contains("reset GPU"), "{finding}");
}

/// The same node with these taints.
fn tainted(mut node: Node, taints: &Value) -> Node {
    node.spec = serde_json::from_value(json!({"taints": taints})).unwrap();
    node
}

#[test]
fn a_taint_of_ours_stands_in_the_way_and_goes_with_what_it_is_for_or_by_hand() {
    let gpus = json!([{"uuid": "GPU-1", "health": "problem", "action": "reset-gpu", "codes": ["ecc-uncorrected"]}]);
    let ours = json!({"key": "bedplate.dev/gpu-unhealthy", "value": "reset-gpu", "effect": "NoSchedule"});
    let other = json!({"key": "somebody.example/reserved", "effect": "NoSchedule"});
    let told = |node: Node| {
        let fleet = fleet(&[node]);
        let of: Vec<Finding> = fleet
            .findings
            .into_iter()
            .filter(|f| f.code == "node-tainted")
            .collect();
        of
    };
    let ill = node("a", Some(NOW), Some("GPUMemoryProblem"), &gpus);
    let told_of_ill = told(tainted(ill, &json!([ours, other])));
    assert_eq!(told_of_ill.len(), 1, "{told_of_ill:?}");
    assert!(
        told_of_ill[0]
            .message
            .contains("bedplate.dev/gpu-unhealthy=reset-gpu:NoSchedule"),
        "{}",
        told_of_ill[0]
    );
    assert!(told_of_ill[0].remedy.starts_with("nothing to do"), "{}", told_of_ill[0]);

    // Left over: by an agent that is gone, or by somebody else.
    let command = "kubectl taint nodes a bedplate.dev/gpu-unhealthy-";
    let silent = node("a", Some("2026-11-21T11:00:00Z"), Some("GPUMemoryProblem"), &gpus);
    let well = node("a", Some(NOW), None, &json!([{"uuid": "GPU-1", "health": "healthy"}]));
    for left in [silent, well] {
        let told = told(tainted(left, &json!([ours])));
        assert!(told[0].remedy.contains(command), "{}", told[0]);
    }
    let ends = json!([{"key": "bedplate.dev/gpu-unhealthy", "effect": "NoExecute"}]);
    let ended = told(tainted(node("a", Some(NOW), None, &gpus), &ends));
    assert!(ended[0].message.contains("those that run are ended"), "{}", ended[0]);
    assert!(
        ended[0].message.ends_with("bedplate.dev/gpu-unhealthy:NoExecute"),
        "{}",
        ended[0]
    );
    assert!(told(tainted(node("a", Some(NOW), None, &gpus), &json!([other]))).is_empty());
}

#[test]
fn a_condition_that_asks_for_nothing_is_not_cured_by_what_a_gpu_asks_for() {
    let gpus = json!([{"uuid": "GPU-1", "health": "problem", "action": "power-cycle", "codes": ["gpu-lost"]}]);
    let mut node = node("a", Some(NOW), Some("GPUDriverProblem"), &gpus);
    let conditions = node
        .status
        .as_mut()
        .and_then(|status| status.conditions.as_mut())
        .unwrap();
    let driver = conditions
        .iter_mut()
        .find(|c| c.status == "True" && c.type_ != "Ready")
        .unwrap();
    driver.message = Some("a: the module is of another version [nvidia-version-mismatch]".to_owned());
    let fleet = fleet(&[node]);
    assert_eq!(fleet.findings[0].code, "gpu-driver-problem");
    assert_eq!(fleet.findings[0].remedy, "on the node: bedplate-agent check");
}

#[test]
fn a_silent_agent_is_never_healthy_whatever_it_said_last() {
    let gpus = json!([{"uuid": "GPU-1", "health": "healthy"}]);
    let fleet = fleet(&[node("a", Some("2026-11-21T11:49:59Z"), None, &gpus)]);
    assert_eq!(fleet.health, Health::Unknown);
    assert_eq!(fleet.findings[0].code, "agent-silent");
    let fleet = read(&[node("a", None, None, &gpus)], NOW.parse().unwrap());
    assert_eq!(
        (fleet.health, fleet.findings[0].code.as_str()),
        (Health::Unknown, "agent-absent")
    );
}

#[test]
fn an_annotation_that_is_no_list_is_told_and_hides_nothing_else() {
    let fleet = fleet(&[node("a", Some(NOW), Some("GPUUnresponsive"), &json!("?"))]);
    let codes: Vec<&str> = fleet.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["gpu-annotation", "gpu-unresponsive"]);
}

/// A Ready node without agent, with these labels, annotations, capacity and allocatable.
fn bare(labels: &Value, annotations: &Value, capacity: &Value, allocatable: &Value) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": "a", "labels": labels, "annotations": annotations},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "capacity": capacity, "allocatable": allocatable},
    }))
    .unwrap()
}

#[test]
fn a_node_with_any_sign_of_a_gpu_that_nobody_looks_at_is_unknown() {
    let (none, label) = (json!({}), json!({"nvidia.com/gpu.present": "true"}));
    for (sign, node) in [
        (
            "nvidia.com/gpu: 8",
            bare(
                &label,
                &none,
                &json!({"nvidia.com/gpu": "8"}),
                &json!({"nvidia.com/gpu": "0"}),
            ),
        ),
        (
            "allocatable nvidia.com/mig-1g.10gb: 7",
            bare(&none, &none, &none, &json!({"nvidia.com/mig-1g.10gb": "7"})),
        ),
        ("nvidia.com/gpu.present=true", bare(&label, &none, &none, &none)),
        (
            "pci-0302_10de.present=true",
            bare(
                &json!({"feature.node.kubernetes.io/pci-0302_10de.present": "true"}),
                &none,
                &none,
                &none,
            ),
        ),
        (
            "bedplate.dev/gpu-count=8",
            bare(&json!({"bedplate.dev/gpu-count": "8"}), &none, &none, &none),
        ),
        (GPUS, bare(&none, &json!({GPUS: "{\"gpus\": []}"}), &none, &none)),
    ] {
        let fleet = fleet(&[node]);
        assert_eq!(fleet.health, Health::Unknown, "{sign}");
        assert_eq!(fleet.nodes[0].health, Some(Health::Unknown), "{sign}");
        let told = fleet.findings.iter().find(|finding| finding.code == "agent-absent");
        assert!(
            told.is_some_and(|told| told.message.contains(sign)),
            "{sign}: {:?}",
            fleet.findings
        );
    }
}

#[test]
fn a_node_without_agent_and_gpu_is_not_judged_and_makes_nothing_healthy() {
    let none = json!({});
    let plain = bare(&none, &none, &json!({"cpu": "8"}), &json!({"cpu": "8"}));
    for nodes in [Vec::new(), vec![plain.clone()]] {
        let fleet = fleet(&nodes);
        assert_eq!(
            (fleet.health, fleet.findings[0].code.as_str()),
            (Health::Unknown, "nothing-judged")
        );
        assert!(fleet.nodes.iter().all(|node| node.health.is_none()));
    }
    let well = node("b", Some(NOW), None, &json!([{"uuid": "GPU-1", "health": "healthy"}]));
    let fleet = fleet(&[plain, well]);
    assert_eq!((fleet.health, fleet.findings.len()), (Health::Healthy, 0));
    assert_eq!(fleet.nodes[0].health, None);
}

#[test]
fn a_verdict_that_cannot_be_read_is_no_health() {
    let unreadable = node("a", Some(NOW), None, &json!("?"));
    let mut unwritten = unreadable.clone();
    unwritten.metadata.annotations = None;
    for node in [unreadable, unwritten] {
        let fleet = fleet(&[node]);
        assert_eq!(fleet.health, Health::Unknown);
        assert_eq!(fleet.findings[0].code, "gpu-annotation");
    }
}

#[test]
fn an_agent_is_silent_only_after_twice_the_heartbeat_that_it_was_told() {
    let mut slow = node("a", Some("2026-11-21T11:01:00Z"), None, &json!([]));
    let told = json!({"agent": "0.1.0", "heartbeat_seconds": 1800, "gpus": []}).to_string();
    slow.metadata.annotations = Some([(GPUS.to_owned(), told)].into());
    assert_eq!(fleet(&[slow.clone()]).health, Health::Healthy);
    let later = read(&[slow], "2026-11-21T12:01:01Z".parse().unwrap());
    assert_eq!(later.findings[0].code, "agent-silent");
}

#[test]
fn programs_read_the_health_of_each_node_and_of_all_in_the_casing_of_every_document() {
    let gpus = json!([{"uuid": "GPU-1", "health": "problem", "action": "reset-gpu", "codes": []}]);
    let document = serde_json::to_value(fleet(&[node("a", Some(NOW), Some("GPUMemoryProblem"), &gpus)])).unwrap();
    assert_eq!(document["health"], "problem");
    assert_eq!(document["nodes"][0]["health"], "problem");
    assert_eq!(document["nodes"][0]["allocatable_gpus"], 8);
    let mut unseen = vec![document];
    while let Some(value) = unseen.pop() {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    assert!(!key.contains(char::is_uppercase), "{key}");
                    unseen.push(value);
                }
            }
            Value::Array(items) => unseen.extend(items),
            _ => {}
        }
    }
}
