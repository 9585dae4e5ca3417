//! The pod network: flannel over VXLAN, and the gate that asks a pod on one node from a pod on another.

use super::gate::{self, ProbePod};
use super::{Gate, GateResult};
use crate::cluster::ClusterError;
use crate::cluster::apply::{AppliedObject, apply, documents};
use kube::Client;
use serde_json::{Value, json};
use std::time::Duration;

/// flannel's own manifest.
pub const MANIFEST: &str = include_str!("../../../manifests/substrate/network/kube-flannel.yaml");
/// The field manager of these objects.
const MANAGER: &str = "bedplate-network";
/// flannel was seen Ready within 3 s of its apply and `CoreDNS` within 16 s; image start on slow disks is the rest.
const LIMIT: Duration = Duration::from_mins(3);
/// The port that the gate's server listens on, beyond those an unprivileged process may not open.
const PORT: u16 = 8080;

/// Applies flannel for this pod subnet.
pub async fn install(client: &Client, pod_subnet: &str) -> Result<Vec<AppliedObject>, ClusterError> {
    let mut applied = Vec::new();
    for mut object in documents("kube-flannel.yaml", MANIFEST)? {
        if object["kind"] == "ConfigMap" {
            set_pod_subnet(&mut object, pod_subnet)?;
        }
        applied.push(apply(client, MANAGER, object).await?);
    }
    Ok(applied)
}

fn set_pod_subnet(config_map: &mut Value, pod_subnet: &str) -> Result<(), ClusterError> {
    let bad = |why: &str| ClusterError::Manifest("kube-flannel.yaml".to_owned(), why.to_owned());
    let text = config_map["data"]["net-conf.json"]
        .as_str()
        .ok_or_else(|| bad("its ConfigMap has no net-conf.json"))?;
    let mut network: Value = serde_json::from_str(text).map_err(|e| bad(&e.to_string()))?;
    network["Network"] = json!(pod_subnet);
    config_map["data"]["net-conf.json"] = json!(network.to_string());
    Ok(())
}

const NAME: &str = "pod-network";
const PROVES: &str = "a pod on one node answers a pod on another through a Service, by its DNS name";

/// The gate where it cannot be exercised.
pub fn unproven(reason: &str) -> Gate {
    Gate {
        name: NAME,
        proves: PROVES,
        result: GateResult::Unproven {
            reason: reason.to_owned(),
        },
    }
}

/// Proves the pod network: a server pod on `server`, a Service in front of it, and a client pod on `client_node` that asks it
/// by the Service's DNS name.
pub async fn prove(
    client: &Client,
    server: &str,
    client_node: &str,
    images: &Images,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<Gate, ClusterError> {
    gate::rollout(client, "apps/v1", "Deployment", "kube-system", "coredns", LIMIT, tell).await?;
    let space = gate::Namespace::open(client, "bedplate-gate-network", tell).await?;
    let listen = format!(
        "mkdir -p /tmp/www && echo \"answer from $NODE\" > /tmp/www/index.html && exec httpd -f -p {PORT} -h /tmp/www"
    );
    space
        .start(&ProbePod::new("server", server, &images.server, &["sh", "-c", &listen]).label("app", "server"))
        .await?;
    space
        .create(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": PORT}]}}),
        )
        .await?;
    space.running("server", LIMIT, tell).await?;
    let url = format!("http://server.{}.svc.cluster.local/", space.name());
    // The rules of a new Service reach the other node a moment after its pod runs; curl asks again until then.
    let ask = [
        "curl",
        "-sS",
        "--fail",
        "--max-time",
        "5",
        "--retry",
        "20",
        "--retry-all-errors",
        "--retry-delay",
        "1",
        &url,
    ];
    space
        .start(&ProbePod::new("client", client_node, &images.client, &ask))
        .await?;
    let (succeeded, log) = space.ended("client", LIMIT, tell).await?;
    space.close().await?;
    let expected = format!("answer from {server}");
    // Before the answer stand curl's words about each try that came too early.
    let answer = log.lines().last().unwrap_or_default().trim();
    let result = if succeeded && answer == expected {
        GateResult::Passed {
            evidence: vec![format!("a pod on {client_node} asked {url}: {answer:?}")],
        }
    } else {
        GateResult::Failed {
            finding: gate::failed(
                NAME,
                &url,
                &log,
                "kubectl -n kube-flannel logs ds/kube-flannel-ds; kubectl -n kube-system logs -l k8s-app=kube-dns",
            ),
        }
    };
    Ok(Gate {
        name: NAME,
        proves: PROVES,
        result,
    })
}

/// Images that the gate's pods run.
pub struct Images {
    /// Has `sh` and busybox' `httpd`.
    pub server: String,
    /// Has `curl`.
    pub client: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_subnet_of_the_config_reaches_flannel() {
        let mut map = documents("m", MANIFEST)
            .unwrap()
            .into_iter()
            .find(|d| d["kind"] == "ConfigMap")
            .unwrap();
        set_pod_subnet(&mut map, "10.9.0.0/16").unwrap();
        let network: Value = serde_json::from_str(map["data"]["net-conf.json"].as_str().unwrap()).unwrap();
        assert_eq!(network["Network"], "10.9.0.0/16");
        assert_eq!(network["Backend"]["Type"], "vxlan");
    }
}
