//! The agents' identity on a real API server: an agent writes its own node, there only what is its own, and renews its own
//! token only. The manifests are those of `manifests/agent`, applied as they are.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::agents_cluster::{NAMESPACE, agents_cluster, manifest, token};
use bedplate_tests::api_server::{ApiServer, claims};
use bedplate_tests::built::Ran;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const STATUS: Option<&str> = Some("status");

/// The agents' cluster, once all of its policies are looked at.
fn cluster() -> ApiServer {
    let server = agents_cluster();
    wait_for_policies(&server);
    server
}

/// An API server looks at a new policy some seconds after it was made: until a write that all of them refuse is refused.
fn wait_for_policies(server: &ApiServer) {
    let since = Instant::now();
    loop {
        let tried = [
            patch(
                server,
                "one",
                "two",
                None,
                &json!({"metadata": {"labels": {"bedplate.dev/gpu-health": "healthy"}}}),
            ),
            create(server, "one", "probe", &lease("two")),
            create(server, "one", "probe", &event("two")),
            renew(
                server,
                "one",
                &json!({"kind": "Node", "apiVersion": "v1", "name": "two"}),
            ),
        ];
        if tried
            .iter()
            .all(|ran| ran.code != Some(0) && ran.stderr.contains("ValidatingAdmissionPolicy"))
        {
            return;
        }
        assert!(
            since.elapsed().as_secs() < 120,
            "the policies are not looked at: {tried:#?}"
        );
        let _ = server.kubectl(&["delete", "lease", "-n", NAMESPACE, "--all"]);
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn patch(server: &ApiServer, who: &str, node: &str, subresource: Option<&str>, body: &Value) -> Ran {
    server.patch_node_as(who, node, subresource, body)
}

fn create(server: &ApiServer, who: &str, file: &str, object: &Value) -> Ran {
    let path = server.path(file).with_extension("json");
    std::fs::write(&path, object.to_string()).expect("the object can be written");
    server.kubectl_as(who, &["create", "-f", &path.display().to_string()])
}

fn lease(node: &str) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": format!("bedplate-agent-{node}"), "namespace": NAMESPACE},
        "spec": {"holderIdentity": "systemd"}})
}

fn event(node: &str) -> Value {
    json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"generateName": "bedplate-agent-", "namespace": "default"},
        "eventTime": "2026-11-21T12:00:00.000000Z", "reportingController": "bedplate.dev/agent", "reportingInstance": node,
        "action": "Observe", "reason": "GpuTemperature", "note": "a GPU is hot", "type": "Warning",
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node}})
}

fn renew(server: &ApiServer, who: &str, bound_to: &Value) -> Ran {
    ask_for(
        server,
        who,
        &json!({"expirationSeconds": 3600, "boundObjectRef": bound_to}),
    )
}

/// Asks for a token as this `TokenRequest`'s spec says.
fn ask_for(server: &ApiServer, who: &str, spec: &Value) -> Ran {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let path = server.path("token-request.json");
    std::fs::write(&path, body.to_string()).expect("the request can be written");
    let url = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/bedplate-agent/token");
    server.kubectl_as(who, &["create", "--raw", &url, "-f", &path.display().to_string()])
}

#[track_caller]
fn done(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[track_caller]
fn refused(ran: &Ran, why: &str) {
    assert_ne!(ran.code, Some(0), "it was allowed: {}", ran.stdout);
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    println!("{}", ran.stderr.trim());
}

fn condition(kind: &str) -> Value {
    json!({"status": {"conditions": [{"type": kind, "status": "True", "reason": "EccUncorrected", "message": "one",
        "lastHeartbeatTime": "2026-11-21T12:00:00Z", "lastTransitionTime": "2026-11-21T12:00:00Z"}]}})
}

/// The taints that a node of these tests has, and one of the agent's with this effect.
fn taints(effect: &str) -> Value {
    json!({"spec": {"taints": [
        {"key": "somebody.example/reserved", "value": "yes", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
        {"key": "bedplate.dev/gpu-unhealthy", "value": "reset-gpu", "effect": effect},
    ]}})
}

#[test]
fn an_agent_writes_its_own_node_and_no_other() {
    let server = cluster();
    done(&patch(&server, "administrator", "one", STATUS, &condition("Ready")));
    let problem = condition("GPUHardwareProblem");
    let own = json!({"metadata": {"labels": {"bedplate.dev/gpu-health": "problem"}, "annotations": {"bedplate.dev/gpus": "{}"}}});
    done(&patch(&server, "one", "one", STATUS, &problem));
    done(&patch(&server, "one", "one", None, &own));
    done(&patch(&server, "one", "one", None, &taints("NoSchedule")));
    let node = server.get(&["node", "one"]);
    let conditions = node["status"]["conditions"].as_array().expect("there are conditions");
    let kinds: Vec<_> = conditions.iter().map(|condition| &condition["type"]).collect();
    assert!(
        kinds.contains(&&json!("Ready")) && kinds.contains(&&json!("GPUHardwareProblem")),
        "{kinds:?}"
    );
    assert_eq!(node["metadata"]["labels"]["somebody.example/rack"], "7");

    let not_yours = "bedplate-agent of node one may not write node two";
    refused(&patch(&server, "one", "two", STATUS, &problem), not_yours);
    refused(&patch(&server, "one", "two", None, &own), not_yours);
    done(&patch(&server, "two", "two", STATUS, &problem));

    let unbound = token(&server, &[]);
    server.kubeconfig("nobody", &unbound);
    refused(
        &patch(&server, "nobody", "one", STATUS, &problem),
        "is bound to no node",
    );
    refused(&create(&server, "nobody", "lease", &lease("one")), "bound to no node");

    // Nobody else is kept from anything.
    done(&server.kubectl(&["cordon", "two"]));
}

#[test]
fn of_its_own_node_an_agent_writes_only_what_is_its_own() {
    let server = cluster();
    let capacity = |cpu: Value| json!({"status": {"capacity": {"cpu": cpu}}});
    done(&patch(&server, "administrator", "one", STATUS, &capacity(json!("8"))));
    done(&patch(&server, "administrator", "one", STATUS, &condition("Ready")));
    let before = server.get(&["node", "one"]);
    let labels = |labels: Value| json!({"metadata": {"labels": labels}});
    let annotations = |annotations: Value| json!({"metadata": {"annotations": annotations}});
    let no_label = "may change no label of a node but its own";
    let no_annotation = "may change no annotation of a node but bedplate.dev/gpus";
    let no_spec = "may change nothing of a node's spec but the taint";
    let no_status = "may change nothing of a node's status but its own conditions";
    let tried = [
        (None, labels(json!({"somebody.example/rack": "8"})), no_label),
        (None, labels(json!({"somebody.example/rack": null})), no_label),
        (
            None,
            labels(json!({"node-role.kubernetes.io/control-plane": ""})),
            no_label,
        ),
        (STATUS, labels(json!({"a": "b"})), no_label),
        (None, annotations(json!({"somebody.example/note": "x"})), no_annotation),
        (None, annotations(json!({"somebody.example/note": null})), no_annotation),
        (
            None,
            json!({"metadata": {"finalizers": ["a.example/b"]}}),
            "metadata beyond its own",
        ),
        (None, json!({"spec": {"unschedulable": true}}), no_spec),
        (None, json!({"spec": {"taints": []}}), no_spec),
        (None, taints("NoExecute"), "has the effect NoSchedule"),
        (STATUS, condition("GPUInvented"), no_status),
        (STATUS, capacity(json!("9")), no_status),
        (STATUS, capacity(Value::Null), no_status),
    ];
    for (subresource, body, why) in tried {
        refused(&patch(&server, "one", "one", subresource, &body), why);
    }
    let mut not_ready = condition("Ready");
    not_ready["status"]["conditions"][0]["status"] = json!("False");
    refused(&patch(&server, "one", "one", STATUS, &not_ready), no_status);
    refused(
        &server.kubectl_as("one", &["delete", "node", "one"]),
        "cannot delete resource \"nodes\"",
    );
    assert_eq!(server.get(&["node", "one"]), before, "nothing of it was done");
}

#[test]
fn leases_and_events_are_of_the_own_node() {
    let server = cluster();
    done(&create(&server, "one", "lease", &lease("one")));
    refused(
        &create(&server, "one", "lease", &lease("two")),
        "bedplate-agent of node one may not write the lease bedplate-agent-two",
    );
    done(&create(&server, "two", "lease", &lease("two")));
    let path = server.path("lease.json");
    refused(
        &server.kubectl_as("one", &["replace", "-f", &path.display().to_string()]),
        "may not write the lease bedplate-agent-two",
    );

    done(&create(&server, "one", "event", &event("one")));
    refused(
        &create(&server, "one", "event", &event("two")),
        "may write events about that node only",
    );
    let mut foreign = event("one");
    foreign["reportingController"] = json!("kubelet");
    refused(
        &create(&server, "one", "event", &foreign),
        "may write events about that node only",
    );
    let told = server.kubectl_must(&["describe", "node", "one"]);
    assert!(told.contains("GpuTemperature"), "{told}");
}

#[test]
fn an_agent_renews_its_own_token_and_gets_none_for_another_node() {
    let server = cluster();
    let node = |name: &str| json!({"kind": "Node", "apiVersion": "v1", "name": name});
    let renewed = renew(&server, "one", &node("one"));
    done(&renewed);
    let answer: Value = serde_json::from_str(&renewed.stdout).expect("the answer is JSON");
    server.kubeconfig("renewed", answer["status"]["token"].as_str().expect("there is a token"));
    done(&patch(
        &server,
        "renewed",
        "one",
        STATUS,
        &condition("GPUHardwareProblem"),
    ));
    refused(
        &renew(&server, "one", &node("two")),
        "may ask for tokens bound to that Node only, not for one bound to two",
    );
    refused(&renew(&server, "one", &Value::Null), "not for one bound to no Node");
    let url = "/api/v1/namespaces/kube-system/serviceaccounts/default/token";
    let body = server.path("token-request.json").display().to_string();
    let other = server.kubectl_as("one", &["create", "--raw", url, "-f", &body]);
    refused(&other, "cannot create resource \"serviceaccounts/token\"");

    // The Node object made anew is another node, and the token of the old one is worth nothing once the API server has
    // forgotten that it was good.
    server.kubectl_must(&["delete", "node", "one"]);
    server.node("one");
    let since = Instant::now();
    loop {
        let tried = patch(&server, "one", "one", STATUS, &condition("GPUHardwareProblem"));
        if tried.stderr.contains("Unauthorized") {
            break;
        }
        assert!(
            since.elapsed() < Duration::from_mins(1),
            "the token of the old Node still works"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_token_that_an_agent_asks_for_lives_a_day_at_most_and_is_for_this_api_server_only() {
    let server = cluster();
    let own = json!({"kind": "Node", "apiVersion": "v1", "name": "one"});
    let spec = |more: Value| {
        let mut spec = json!({"boundObjectRef": own});
        for (key, value) in more.as_object().expect("an object") {
            spec[key] = value.clone();
        }
        spec
    };
    let day = ask_for(&server, "one", &spec(json!({"expirationSeconds": 86_400})));
    done(&day);
    let answer: Value = serde_json::from_str(&day.stdout).expect("the answer is JSON");
    let given = claims(answer["status"]["token"].as_str().expect("there is a token"));
    assert_eq!(
        given["exp"]
            .as_i64()
            .zip(given["iat"].as_i64())
            .map(|(end, begin)| end - begin),
        Some(86_400)
    );
    done(&ask_for(&server, "one", &spec(json!({}))));
    done(&ask_for(&server, "one", &spec(json!({"audiences": []}))));

    refused(
        &ask_for(&server, "one", &spec(json!({"expirationSeconds": 86_401}))),
        "may ask for tokens that live 86400 s at most, not 86401 s",
    );
    refused(
        &ask_for(&server, "one", &spec(json!({"audiences": ["vault.example"]}))),
        "may ask for tokens for the API server only, not for vault.example",
    );
    let both = json!({"audiences": ["https://kubernetes.default.svc.cluster.local", "vault.example"]});
    refused(
        &ask_for(&server, "one", &spec(both)),
        "only, not for https://kubernetes",
    );
}

#[test]
fn the_daemonset_asks_for_an_image_and_is_otherwise_what_the_api_takes() {
    let server = cluster();
    let as_it_is = server.kubectl(&["apply", "--dry-run=server", "-f", &manifest("daemonset")]);
    refused(&as_it_is, "spec.template.spec.containers[0].image: Required value");
    let text = std::fs::read_to_string(manifest("daemonset")).expect("the manifest can be read");
    let with_image = text.replace("image: \"\"", "image: registry.example/bedplate-agent:0.1.0");
    assert_ne!(with_image, text);
    let path = server.path("daemonset.yaml");
    std::fs::write(&path, with_image).expect("the manifest can be written");
    let path = path.display().to_string();
    let taken = server.kubectl(&[
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "-o",
        "json",
        "-f",
        &path,
    ]);
    done(&taken);
    assert_eq!(taken.stderr.trim(), "", "the API server warns of nothing");
    let list: Value = serde_json::from_str(&taken.stdout).expect("kubectl writes one JSON document");
    let daemonset = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|item| item["kind"] == "DaemonSet");
    let security =
        &daemonset.expect("the DaemonSet is there")["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    assert_eq!(security["privileged"], false);
    assert_eq!(security["capabilities"], json!({"add": ["SYSLOG"], "drop": ["ALL"]}));
}
