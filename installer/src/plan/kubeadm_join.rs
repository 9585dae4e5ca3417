//! `kubeadm join`: the CA is pinned by hash, the token is short-lived and arrives as a value. Called by the room's `mod`.

use super::{PlanError, Site, accepts_cgroup_v1, facts_of};
use crate::config::NodeSpec;
use bedplate_protocol::plan::{Content, Part};
use bedplate_protocol::{StepKind, StepSpec};
use serde_json::{Value, json};

/// The value with the bootstrap token, `abcdef.0123456789abcdef`.
pub const JOIN_TOKEN: &str = "join-token";

/// The value with the hash of the cluster CA's public key, `sha256:` and 64 hexadecimal digits.
pub const CA_HASH: &str = "ca-hash";

/// Where the cluster's API server is, as every kubeconfig of it says.
pub fn api_server(control_plane: &NodeSpec) -> String {
    format!("https://{}", endpoint(control_plane))
}

/// Where the API server of a control-plane node answers.
pub(super) fn endpoint(control_plane: &NodeSpec) -> String {
    format!("{}:6443", control_plane.address)
}

pub(super) fn step(site: &Site<'_>, node: &NodeSpec) -> Result<StepSpec, PlanError> {
    let control_plane = site.spec.control_plane().ok_or_else(|| PlanError::NoControlPlane {
        file: site.spec.file.clone(),
    })?;
    let server = endpoint(control_plane);
    // Only the check that refuses cgroup v1, and only where the cluster file accepts that.
    let ignored: &[&str] = if accepts_cgroup_v1(site, facts_of(site, node)?) {
        &["SystemVerification"]
    } else {
        &[]
    };
    let document = json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": {
            "apiServerEndpoint": server,
            "token": marker(JOIN_TOKEN),
            "caCertHashes": [marker(CA_HASH)],
        }},
        "nodeRegistration": {
            "name": node.name,
            "criSocket": "unix:///run/containerd/containerd.sock",
            "imagePullPolicy": "IfNotPresent",
            "ignorePreflightErrors": ignored,
            "kubeletExtraArgs": [{"name": "node-ip", "value": node.address.to_string()}],
        },
    });
    Ok(StepSpec::new(StepKind::KubeadmJoin {
        config: content(&document),
        server,
    }))
}

/// Stands for a value while the document is one text. No name or address that passed the config's checks has its characters.
fn marker(value: &str) -> String {
    format!("<<{value}>>")
}

fn content(document: &Value) -> Content {
    // A `Value` made of maps with text keys always serialises.
    let text = serde_json::to_string_pretty(document).unwrap_or_default() + "\n";
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("<<") {
        let Some((name, after)) = after.split_once(">>") else {
            break;
        };
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::ValueRef(name.to_owned()));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Content(parts)
}
