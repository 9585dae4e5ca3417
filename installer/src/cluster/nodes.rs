//! Nodes as the API tells of them.

use super::ClusterError;
use super::wait::{Seen, until};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, ListParams};
use std::collections::BTreeMap;
use std::time::Duration;

/// Waits until every named node is Ready *in the boot that its host is in*: after a reboot the API goes on saying Ready for
/// more than a minute, so the boot id that kubelet reported is compared with the host's own.
pub async fn all_ready(
    client: &Client,
    boot_ids: &BTreeMap<String, String>,
    limit: Duration,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<(), ClusterError> {
    let api: Api<Node> = Api::all(client.clone());
    until("every node to be Ready", limit, tell, || async {
        let nodes = api.list(&ListParams::default()).await?;
        let waiting: Vec<String> = boot_ids
            .iter()
            .filter_map(|(name, boot_id)| not_ready(&nodes.items, name, boot_id))
            .collect();
        Ok(if waiting.is_empty() {
            Seen::Yes(())
        } else {
            Seen::NotYet(waiting.join(", "))
        })
    })
    .await
}

/// Why this node is not Ready, if it is not.
fn not_ready(nodes: &[Node], name: &str, boot_id: &str) -> Option<String> {
    let Some(node) = nodes.iter().find(|node| node.metadata.name.as_deref() == Some(name)) else {
        return Some(format!("{name} has not registered"));
    };
    let Some(status) = &node.status else {
        return Some(format!("{name} has no status"));
    };
    let reported = status.node_info.as_ref().map(|info| info.boot_id.as_str());
    if reported != Some(boot_id) {
        return Some(format!("{name} speaks of an earlier boot"));
    }
    let ready = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready");
    match ready {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => Some(format!(
            "{name}: {}",
            condition.message.as_deref().unwrap_or("not Ready")
        )),
        None => Some(format!("{name} has no Ready condition")),
    }
}

/// `nvidia.com/gpu` of each node's `.status.allocatable`.
pub async fn allocatable_gpus(client: &Client) -> Result<BTreeMap<String, i64>, kube::Error> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    Ok(nodes
        .items
        .into_iter()
        .map(|node| {
            let quantity = node
                .status
                .and_then(|s| s.allocatable)
                .and_then(|a| a.get("nvidia.com/gpu").cloned());
            (
                node.metadata.name.unwrap_or_default(),
                quantity.and_then(|q| q.0.parse().ok()).unwrap_or(0),
            )
        })
        .collect())
}
