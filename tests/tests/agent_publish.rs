//! The built agent publishes to a real API server: what it writes and how often, and two agents of one node.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::agents_cluster::{AGENT, NAMESPACE, agents_cluster, bound_token};
use bedplate_tests::api_server::ApiServer;
use bedplate_tests::publishing::{HARDWARE, Place, condition, status, until};
use serde_json::Value;

#[test]
fn a_lost_gpu_is_on_the_node_and_a_healthy_agent_writes_once_a_heartbeat() {
    let server = agents_cluster();
    let place = Place::new(
        &server,
        &bound_token(&server, "one", "1h"),
        ", heartbeat: 20s, taints: true",
        "",
    );
    let _agent = place.start();
    until("the condition is False", &place, || status(&server, HARDWARE, "False"));
    let label =
        |server: &ApiServer| server.get(&["node", "one"])["metadata"]["labels"]["bedplate.dev/gpu-count"].clone();
    until("the node is labelled", &place, || (label(&server) == "1").then_some(()));

    // What the first looks have found is told before the first heartbeat. Then, two heartbeats long, nothing but heartbeats.
    let beat = || condition(&server, HARDWARE).map(|condition| condition["lastHeartbeatTime"].clone());
    let first = beat();
    let mut seen = until("a heartbeat", &place, || Some(beat()).filter(|now| *now != first));
    let before = server.writes_of(AGENT).len();
    for _ in 0..2 {
        seen = until("a heartbeat", &place, || Some(beat()).filter(|now| *now != seen));
    }
    let writes = server.writes_of(AGENT);
    assert_eq!(writes[before..], ["patch nodes/status one"; 2], "{writes:#?}");

    place.gpus(", lost: true");
    until("the condition is True", &place, || status(&server, HARDWARE, "True"));
    let node = until("the node is tainted", &place, || {
        let node = server.get(&["node", "one"]);
        let taints = node["spec"]["taints"].as_array()?;
        taints
            .iter()
            .any(|taint| taint["key"] == "bedplate.dev/gpu-unhealthy")
            .then_some(node)
    });
    let gpus = node["metadata"]["annotations"]["bedplate.dev/gpus"]
        .as_str()
        .expect("the annotation is there");
    let gpus: Value = serde_json::from_str(gpus).expect("the annotation is JSON");
    let codes = |of: &Value| of["codes"].as_array().cloned().unwrap_or_default();
    assert!(codes(&gpus["gpus"][0]).contains(&"gpu-lost".into()), "{gpus}");
    assert!(!codes(&gpus).contains(&"gpu-lost".into()), "{gpus}");
    assert_eq!(node["metadata"]["labels"]["somebody.example/rack"], "7");
    let events = || server.kubectl_must(&["get", "events.events.k8s.io", "-n", "default", "-o", "json"]);
    until("an Event tells of it", &place, || {
        events().contains("GpuLost").then_some(())
    });
}

#[test]
fn of_two_agents_of_a_node_one_publishes() {
    let server = agents_cluster();
    let token = bound_token(&server, "one", "1h");
    let (unit, pod) = (
        Place::new(&server, &token, "", ""),
        Place::new(&server, &token, ", publisher: daemonset", ""),
    );
    let _first = unit.start();
    until("the condition is False", &unit, || status(&server, HARDWARE, "False"));
    let lease = server.get(&["lease", "-n", NAMESPACE, "bedplate-agent-one"]);
    assert_eq!(lease["spec"]["holderIdentity"], "systemd");
    pod.gpus(", lost: true");
    let _second = pod.start();
    until("the second one is silent", &pod, || {
        pod.log()
            .contains("publishes for this node, and this one")
            .then_some(())
    });
    assert!(status(&server, HARDWARE, "False").is_some());
}
