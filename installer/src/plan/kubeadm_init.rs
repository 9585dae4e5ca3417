//! `kubeadm init`, phase by phase, so that a founder that was killed half-way goes on where it was. Called by the room's
//! `mod`.

use super::containerd::cgroup_driver;
use super::{PlanError, Site, accepts_cgroup_v1, facts_of};
use crate::config::{Conntrack, NodeSpec};
use bedplate_protocol::plan::Content;
use bedplate_protocol::{NodeFacts, StepKind, StepSpec};
use serde_json::{Map, Value, json};

const CONFIG: &str = "/etc/kubernetes/bedplate-kubeadm.yaml";

/// The phases of `kubeadm init` in its own order (`kubeadm init --help`, v1.36.3), without `preflight` (bedplate's own has
/// run, and kubeadm's refuses a host on which a phase was carried out), `wait-control-plane` (part of the first phase that
/// needs the API), `upload-certs` (no second server) and `show-join-command`.
const TO_KUBELET: &[&str] = &[
    "certs all",
    "kubeconfig all",
    "etcd local",
    "control-plane all",
    "kubelet-start",
];
/// The phases that need the API server.
const WITH_API: &[&str] = &[
    "upload-config all",
    "mark-control-plane",
    "bootstrap-token",
    "kubelet-finalize all",
    "addon all",
];

/// All phases. kubelet takes seconds to start the API server, and `meanwhile` is what there is to do in them.
pub(super) fn steps(site: &Site<'_>, node: &NodeSpec, meanwhile: Vec<StepSpec>) -> Result<Vec<StepSpec>, PlanError> {
    let facts = facts_of(site, node)?;
    let file = StepKind::File {
        path: CONFIG.to_owned(),
        mode: 0o600,
        content: Content::text(config(site, node, facts)),
    };
    let phase = |phase: &&str| {
        StepSpec::new(StepKind::KubeadmInitPhase {
            phase: (*phase).to_owned(),
            config: CONFIG.to_owned(),
        })
    };
    let mut steps = vec![StepSpec::new(file)];
    steps.extend(TO_KUBELET.iter().map(phase));
    steps.extend(meanwhile);
    steps.extend(WITH_API.iter().map(phase));
    Ok(steps)
}

/// Four documents, each written as JSON, which YAML contains.
fn config(site: &Site<'_>, node: &NodeSpec, facts: &NodeFacts) -> String {
    let documents = [init(node), cluster(site, node), kubelet(site, facts), kube_proxy(site)];
    let mut text = String::from("# Written by bedplate for kubeadm.\n");
    for (index, document) in documents.iter().enumerate() {
        // None before the first: kubeadm takes a comment alone for a document without kind.
        if index > 0 {
            text.push_str("---\n");
        }
        // A `Value` made of maps with text keys always serialises.
        text.push_str(&serde_json::to_string_pretty(document).unwrap_or_default());
        text.push('\n');
    }
    text
}

fn init(node: &NodeSpec) -> Value {
    let address = node.address.to_string();
    json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        // The phase `bootstrap-token` makes a token whatever is written here. Without `token` kubeadm draws one that nobody
        // knows, and it is gone after a minute. Joins use tokens that are made when they are needed.
        "bootstrapTokens": [{"ttl": "1m0s"}],
        "localAPIEndpoint": {"advertiseAddress": address, "bindPort": 6443},
        "nodeRegistration": {
            "name": node.name,
            "criSocket": "unix:///run/containerd/containerd.sock",
            // Pods run on the control-plane node, too.
            "taints": [],
            "imagePullPolicy": "IfNotPresent",
            // Of several addresses kubelet must register the one that the other nodes reach.
            "kubeletExtraArgs": [{"name": "node-ip", "value": address}],
        },
    })
}

fn cluster(site: &Site<'_>, node: &NodeSpec) -> Value {
    let kubernetes = &site.spec.kubernetes;
    json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": site.spec.name,
        "kubernetesVersion": site.index.kubernetes,
        "controlPlaneEndpoint": super::kubeadm_join::endpoint(node),
        "apiServer": {"certSANs": [node.address.to_string(), node.name]},
        "networking": {
            "podSubnet": kubernetes.pod_subnet.to_string(),
            "serviceSubnet": kubernetes.service_subnet.to_string(),
        },
    })
}

/// kubeadm gives this document to every node of the cluster, so what one host needs all are told.
fn kubelet(site: &Site<'_>, facts: &NodeFacts) -> Value {
    let settings = &site.spec.kubernetes.kubelet;
    let mut document = Map::new();
    document.insert("apiVersion".to_owned(), json!("kubelet.config.k8s.io/v1beta1"));
    document.insert("kind".to_owned(), json!("KubeletConfiguration"));
    document.insert("cgroupDriver".to_owned(), json!(cgroup_driver(facts)));
    if site.facts.values().any(|facts| accepts_cgroup_v1(site, facts)) {
        document.insert("failCgroupV1".to_owned(), json!(false));
    }
    if !settings.eviction_hard.is_empty() {
        document.insert("evictionHard".to_owned(), json!(settings.eviction_hard));
    }
    if let Some(percent) = settings.image_gc_high_threshold_percent {
        document.insert("imageGCHighThresholdPercent".to_owned(), json!(percent));
    }
    if let Some(percent) = settings.image_gc_low_threshold_percent {
        document.insert("imageGCLowThresholdPercent".to_owned(), json!(percent));
    }
    Value::Object(document)
}

fn kube_proxy(site: &Site<'_>) -> Value {
    let mut document = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
    });
    if site.spec.kubernetes.conntrack == Conntrack::Keep {
        // 0 leaves the kernel's limit as it is (kube-proxy's KubeProxyConntrackConfiguration, v1alpha1).
        document["conntrack"] =
            json!({"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"});
    }
    document
}
