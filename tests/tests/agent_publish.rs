//! The built agent publishes to a real API server: what it writes and how often, whatever else is refused or taken away. Two agents
//! of one node.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::agents_cluster::{AGENT, NAMESPACE, agents_cluster, bound_token};
use bedplate_tests::api_server::ApiServer;
use bedplate_tests::publishing::{HARDWARE, PATIENCE, Place, condition, status, until};
use serde_json::Value;
use std::net::TcpListener;
use std::time::Instant;

const HEALTH: &str = "bedplate.dev/gpu-health";
const ACTION: &str = "bedplate.dev/gpu-action";

/// The node, where it has the agent's taint.
fn tainted(server: &ApiServer) -> Option<Value> {
    let node = server.get(&["node", "one"]);
    let taints = node["spec"]["taints"].as_array()?;
    let ours = taints.iter().any(|taint| taint["key"] == "bedplate.dev/gpu-unhealthy");
    ours.then_some(node)
}

/// A label of the node.
fn label(server: &ApiServer, name: &str) -> Option<String> {
    let node = server.get(&["node", "one"]);
    node["metadata"]["labels"][name].as_str().map(str::to_owned)
}

/// The names of the Events that have this reason.
fn events(server: &ApiServer, reason: &str) -> Vec<Value> {
    let events = server.get(&["events.events.k8s.io", "-n", "default"]);
    let events = events["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_reason = events.iter().filter(|event| event["reason"] == reason);
    of_reason.map(|event| event["metadata"]["name"].clone()).collect()
}

/// Whether an Event has this reason.
fn told_of(server: &ApiServer, reason: &str) -> Option<()> {
    (!events(server, reason).is_empty()).then_some(())
}

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
    until("the node is labelled", &place, || {
        label(&server, "bedplate.dev/gpu-count").filter(|count| count == "1")
    });

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
    let node = until("the node is tainted", &place, || tainted(&server));
    let gpus = node["metadata"]["annotations"]["bedplate.dev/gpus"]
        .as_str()
        .expect("the annotation is there");
    let gpus: Value = serde_json::from_str(gpus).expect("the annotation is JSON");
    let codes = |of: &Value| of["codes"].as_array().cloned().unwrap_or_default();
    assert!(codes(&gpus["gpus"][0]).contains(&"gpu-lost".into()), "{gpus}");
    assert!(!codes(&gpus).contains(&"gpu-lost".into()), "{gpus}");
    assert_eq!(node["metadata"]["labels"]["somebody.example/rack"], "7");
    until("an Event tells of it", &place, || told_of(&server, "GpuLost"));

    server.kubectl_must(&["taint", "nodes", "one", "bedplate.dev/gpu-unhealthy-"]);
    let node = until("the taint that somebody removed is back", &place, || tainted(&server));
    assert_eq!(
        node["spec"]["taints"][0]["key"], "somebody.example/reserved",
        "and nobody else's is gone"
    );
}

#[test]
fn labels_that_somebody_else_has_written_are_taken_back_and_hold_up_nothing() {
    let server = agents_cluster();
    // This host has no NVIDIA device, perhaps no kernel log to read, and the node is to be healthy at first.
    let codes = ["gpu-inventory", "nvidia-device-nodes-missing", "kernel-log-unreadable"];
    let watched = codes.map(|code| {
        format!("- {{code: {code}, mode: monitor, owner: a test, reason: no device, expires: 2099-01-01T00:00:00Z}}\n")
    });
    let place = Place::new(
        &server,
        &bound_token(&server, "one", "1h"),
        ", heartbeat: 10s, taints: true",
        &format!("checks:\n{}", watched.concat()),
    );
    let _agent = place.start();
    let healthy = || label(&server, HEALTH).filter(|health| health == "healthy");
    until("the node is labelled", &place, healthy);
    let overwritten = [format!("{HEALTH}=splendid"), format!("{ACTION}=none")];
    server.kubectl_must(&["label", "--overwrite", "node", "one", &overwritten[0], &overwritten[1]]);
    assert_eq!(label(&server, ACTION).as_deref(), Some("none"));
    until("the agent's label is back", &place, healthy);
    until("what it never wrote is gone", &place, || {
        label(&server, ACTION).is_none().then_some(())
    });
    let log = place.log();
    let said: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("somebody else has written"))
        .collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(said[0].contains("kubectl-label") && said[0].contains(HEALTH), "{log}");

    server.kubectl_must(&["label", "--overwrite", "node", "one", &overwritten[0], &overwritten[1]]);
    place.gpus(", lost: true");
    until("the condition is True", &place, || status(&server, HARDWARE, "True"));
    until("the label tells of it", &place, || {
        label(&server, HEALTH).filter(|health| health == "problem")
    });
    until("the node is tainted", &place, || tainted(&server));
    until("an Event tells of it", &place, || told_of(&server, "GpuLost"));
    assert_eq!(label(&server, "somebody.example/rack").as_deref(), Some("7"));
}

#[test]
fn what_is_refused_is_counted_and_holds_up_nothing_else() {
    let server = agents_cluster();
    let nodes = |verbs: &[&str]| {
        let verbs = serde_json::json!([{"op": "replace", "path": "/rules/0/verbs", "value": verbs}]);
        let all = [
            "patch",
            "clusterrole",
            "bedplate-agent",
            "--type=json",
            "-p",
            &verbs.to_string(),
        ];
        server.kubectl_must(&all);
    };
    nodes(&["get"]);
    let place = Place::new(
        &server,
        &bound_token(&server, "one", "1h"),
        ", heartbeat: 10s, taints: true",
        "",
    );
    let _agent = place.start();
    let refused = || {
        place
            .metric("bedplate_agent_publish_failures_total", "reason=\"forbidden\"")
            .unwrap_or_default()
    };
    // From then on it leaves labels alone for ten seconds and more.
    until("labels are refused again and again", &place, || {
        (refused() >= 6.0).then_some(())
    });
    place.gpus(", lost: true");
    until("the condition is True", &place, || status(&server, HARDWARE, "True"));
    until("an Event tells of it", &place, || told_of(&server, "GpuLost"));
    assert_eq!(label(&server, HEALTH), None);
    let published = place
        .metric("bedplate_agent_published_timestamp_seconds", "")
        .expect("it is exported");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.expect("the clock is past 1970").as_secs_f64() - published;
    assert!(age < 20.0, "conditions are written all the while: {age} s ago");
    let log = place.log();
    for what in ["publishing labels", "publishing the taint"] {
        let line = format!("{what} to Kubernetes fails since 0 s [forbidden]");
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }

    nodes(&["get", "patch"]);
    until("the label tells of it", &place, || {
        label(&server, HEALTH).filter(|health| health == "problem")
    });
    until("the node is tainted", &place, || tainted(&server));
    until("the agent says that it works", &place, || {
        place
            .log()
            .contains("publishing labels to Kubernetes works again")
            .then_some(())
    });
}

/// From now on nobody gets an answer who writes an Event: admission asks a port of this host that takes connections and says
/// nothing.
fn hang_events(server: &ApiServer) -> TcpListener {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let url = format!("https://{}/", silent.local_addr().expect("it has an address"));
    let webhook = serde_json::json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "silent"},
        "webhooks": [{"name": "silent.example.org", "clientConfig": {"url": url}, "timeoutSeconds": 30,
            "rules": [{"apiGroups": ["events.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["events"]}],
            "sideEffects": "None", "admissionReviewVersions": ["v1"]}],
    });
    let event = serde_json::json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"generateName": "probe-", "namespace": "default"},
        "eventTime": "2026-11-21T12:00:00.000000Z", "reportingController": "somebody.example/probe",
        "reportingInstance": "one", "action": "Observe", "reason": "Probe", "type": "Normal",
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": "two"},
    });
    for (name, object) in [("webhook", webhook), ("probe", event)] {
        std::fs::write(server.path(name), object.to_string()).expect("the object can be written");
    }
    let create = |name: &str, limit: &str| {
        let path = server.path(name).display().to_string();
        server.kubectl(&["create", "-f", &path, limit]).code == Some(0)
    };
    assert!(create("webhook", "--request-timeout=30s"));
    let since = Instant::now();
    while create("probe", "--request-timeout=2s") {
        assert!(since.elapsed() < PATIENCE, "admission never asks the webhook");
    }
    silent
}

#[test]
fn news_of_conditions_do_not_wait_for_an_event_that_gets_no_answer() {
    let server = agents_cluster();
    let _silent = hang_events(&server);
    let place = Place::new(&server, &bound_token(&server, "one", "1h"), "", "");
    let _agent = place.start();
    until("the condition is False", &place, || status(&server, HARDWARE, "False"));
    until("the node is labelled, which comes before Events", &place, || {
        label(&server, HEALTH)
    });
    place.gpus(", lost: true");
    until("the condition is True", &place, || status(&server, HARDWARE, "True"));
    let failed = || {
        place
            .metric("bedplate_agent_publish_failures_total", "reason=\"timeout\"")
            .expect("it is exported")
    };
    // An Event is given ten seconds. If this was written within them, it did not wait for one.
    assert_eq!(failed().to_string(), "0", "{}", place.log());
    until("Events are given up for now", &place, || (failed() > 0.0).then_some(()));
    let fails = "publishing Events to Kubernetes fails since 0 s [timeout]";
    assert!(place.log().contains(fails), "{}", place.log());

    server.kubectl_must(&["delete", "validatingwebhookconfiguration", "silent"]);
    until("an Event tells of it", &place, || told_of(&server, "GpuLost"));
}

#[test]
fn of_two_agents_of_a_node_one_publishes() {
    let server = agents_cluster();
    let token = bound_token(&server, "one", "1h");
    let (unit, pod) = (
        Place::new(&server, &token, ", heartbeat: 10s", ""),
        Place::new(&server, &token, ", heartbeat: 10s, publisher: daemonset", ""),
    );
    let holder = || server.get(&["lease", "-n", NAMESPACE, "bedplate-agent-one"])["spec"]["holderIdentity"].clone();
    let stands_by = |place: &Place| {
        let said = place.log().contains("publishes for this node, and this one");
        said.then_some(())
    };
    let published = |place: &Place| place.metric("bedplate_agent_published_timestamp_seconds", "");
    let first = unit.start();
    until("the condition is False", &unit, || status(&server, HARDWARE, "False"));
    assert_eq!(holder(), "systemd");
    pod.gpus(", lost: true");
    let second = pod.start();
    until("the second one is silent", &pod, || stands_by(&pod));
    assert!(status(&server, HARDWARE, "False").is_some());
    assert!(published(&unit).is_some());
    assert_eq!(published(&pod), None, "it owes nobody a heartbeat");

    drop(first);
    until("the second one takes over", &pod, || status(&server, HARDWARE, "True"));
    let lease = server.get(&["lease", "-n", NAMESPACE, "bedplate-agent-one"]);
    assert_eq!(lease["spec"]["holderIdentity"], "daemonset");
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
    assert!(pod.log().contains("is taken: its holder is silent"), "{}", pod.log());
    assert!(published(&pod).is_some());

    std::fs::remove_file(unit.path("log")).expect("the log can be removed");
    let _first = unit.start();
    until("the first one is silent now", &unit, || stands_by(&unit));
    let beat = || condition(&server, HARDWARE).map(|condition| condition["lastHeartbeatTime"].clone());
    let mut seen = beat();
    for _ in 0..2 {
        seen = until("a heartbeat of the second one", &pod, || {
            Some(beat()).filter(|now| *now != seen)
        });
    }
    assert_eq!(holder(), "daemonset");
    assert!(
        status(&server, HARDWARE, "True").is_some(),
        "the first one would write False"
    );
    assert_eq!(published(&unit), None);

    second.end();
    assert_ne!(holder(), "daemonset", "it hands the Lease back");
    until("the first one takes over", &unit, || status(&server, HARDWARE, "False"));
    assert!(unit.log().contains("is taken: nobody holds it"), "{}", unit.log());
}

#[test]
fn an_agent_that_takes_over_tells_no_event_again() {
    let server = agents_cluster();
    let token = bound_token(&server, "one", "1h");
    let (unit, pod) = (
        Place::new(&server, &token, ", heartbeat: 10s", ""),
        Place::new(&server, &token, ", heartbeat: 10s, publisher: daemonset", ""),
    );
    let beat = || condition(&server, HARDWARE).map(|condition| condition["lastHeartbeatTime"].clone());
    let next_beat = |place: &Place| {
        let seen = beat();
        until("a heartbeat", place, || Some(beat()).filter(|now| *now != seen));
    };
    unit.gpus(", lost: true");
    let first = unit.start();
    until("an Event tells of it", &unit, || told_of(&server, "GpuLost"));
    let told = events(&server, "GpuLost");
    pod.gpus(", lost: true");
    let _second = pod.start();
    until("the second one is silent and has seen it", &pod, || {
        pod.log()
            .contains("publishes for this node, and this one")
            .then_some(())
    });
    next_beat(&unit);
    drop(first);
    until("the second one takes over", &pod, || {
        pod.log().contains("is taken: its holder is silent").then_some(())
    });
    for _ in 0..2 {
        next_beat(&pod);
    }
    assert_eq!(events(&server, "GpuLost"), told, "{}", pod.log());
}
