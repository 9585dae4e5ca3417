//! GPUs for pods: NVIDIA's device plugin with time-slicing, and the gates that prove it.

use super::gate::{self, ProbePod};
use super::{Gate, GateResult};
use crate::cluster::apply::{AppliedObject, apply, documents};
use crate::cluster::wait::{Seen, until};
use crate::cluster::{ClusterError, nodes};
use bedplate_protocol::NodeFacts;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Our manifest of NVIDIA's device plugin.
pub const MANIFEST: &str = include_str!("../../../manifests/substrate/gpu/nvidia-device-plugin.yaml");
/// The field manager of these objects.
const MANAGER: &str = "bedplate-gpu";
/// The label by which the plugin's `DaemonSet` finds nodes; GPU Operator and GPU feature discovery use the same one.
const LABEL: &str = "nvidia.com/gpu.present";
/// The plugin was seen to register within 5 s of its start.
const LIMIT: Duration = Duration::from_mins(2);

/// Labels the nodes whose GPUs NVML has proven.
pub async fn label(client: &Client, node_names: &[String]) -> Result<Vec<AppliedObject>, ClusterError> {
    let mut done = Vec::new();
    for name in node_names {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {LABEL: "true"}}});
        done.push(apply(client, MANAGER, node).await?);
    }
    Ok(done)
}

/// Applies the device plugin with this many replicas of each GPU.
pub async fn install(client: &Client, replicas: u32) -> Result<Vec<AppliedObject>, ClusterError> {
    let mut done = Vec::new();
    for mut object in documents("nvidia-device-plugin.yaml", MANIFEST)? {
        if object["kind"] == "ConfigMap" {
            set_replicas(&mut object, replicas)?;
        }
        done.push(apply(client, MANAGER, object).await?);
    }
    Ok(done)
}

fn set_replicas(config_map: &mut Value, replicas: u32) -> Result<(), ClusterError> {
    let bad = |why: String| ClusterError::Manifest("nvidia-device-plugin.yaml".to_owned(), why);
    let text = config_map["data"]["time-slicing.yaml"]
        .as_str()
        .ok_or_else(|| bad("no time-slicing.yaml".to_owned()))?;
    let mut config: Value = serde_saphyr::from_str(text).map_err(|e| bad(e.to_string()))?;
    config["sharing"]["timeSlicing"]["resources"][0]["replicas"] = json!(replicas);
    // JSON is YAML, and its text is the same on every run.
    config_map["data"]["time-slicing.yaml"] = json!(config.to_string());
    Ok(())
}

/// Proves that each node offers exactly its NVML GPUs times `replicas`.
pub async fn prove_allocatable(
    client: &Client,
    gpus: &BTreeMap<String, u32>,
    replicas: u32,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<Gate, ClusterError> {
    const NAME: &str = "gpu-allocatable";
    const PROVES: &str = "allocatable nvidia.com/gpu = GPUs by NVML × replicas, on every GPU node";
    let wanted: BTreeMap<String, i64> = gpus
        .iter()
        .map(|(node, n)| (node.clone(), i64::from(*n) * i64::from(replicas)))
        .collect();
    let registered = until("the device plugin to register its GPUs", LIMIT, tell, || async {
        let offered = nodes::allocatable_gpus(client).await?;
        let differing: Vec<String> = wanted
            .iter()
            .filter(|(node, n)| offered.get(*node) != Some(n))
            .map(|(node, n)| format!("{node} offers {} of {n}", offered.get(node).unwrap_or(&0)))
            .collect();
        Ok(if differing.is_empty() {
            Seen::Yes(())
        } else {
            Seen::NotYet(differing.join(", "))
        })
    })
    .await;
    let result = match registered {
        Ok(()) => GateResult::Passed {
            evidence: wanted
                .iter()
                .map(|(node, n)| format!("{node}: {} × {replicas} = {n}", gpus[node]))
                .collect(),
        },
        Err(ClusterError::TimedOut { last, .. }) => GateResult::Failed {
            finding: gate::failed(
                NAME,
                "nvidia.com/gpu",
                &last,
                "kubectl -n kube-system logs ds/nvidia-device-plugin",
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

const SHARING: &str = "gpu-time-slicing";
const SHARING_PROVES: &str = "two pods use one GPU at once, and NVML inside each lists exactly that GPU";

/// The gate of time-slicing where it cannot be exercised.
pub fn sharing_unproven(reason: &str) -> Gate {
    Gate {
        name: SHARING,
        proves: SHARING_PROVES,
        result: GateResult::Unproven {
            reason: reason.to_owned(),
        },
    }
}

/// Proves time-slicing on `node`: one pod more than it has GPUs, so that two share one, all running at once. Which slice each
/// has is what kubelet reports; which GPU each sees is what NVML says inside it, through the agent.
pub async fn prove_sharing(
    client: &Client,
    node: &str,
    facts: &NodeFacts,
    agent_image: &str,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<Gate, ClusterError> {
    let space = gate::Namespace::open(client, "bedplate-gate-gpu", tell).await?;
    let names: Vec<String> = (0..=facts.nvml.gpus.len()).map(|n| format!("share-{n}")).collect();
    for name in &names {
        // `facts` once into the log, then idle, so that all of them hold their slice at the same time.
        let command = [
            "/bin/sh",
            "-c",
            "/bedplate-agent facts --output json && exec sleep 3600",
        ];
        space
            .start(&ProbePod::new(name, node, agent_image, &command).limit("nvidia.com/gpu", 1))
            .await?;
    }
    let mut shares = Vec::new();
    for name in &names {
        let pod = space.running(name, LIMIT, tell).await?;
        let device = space_device(&space, name, pod, tell).await?;
        let inside = inside(&space, name, tell).await?;
        shares.push(Share {
            pod: name.clone(),
            device,
            inside,
        });
    }
    space.close().await?;
    Ok(Gate {
        name: SHARING,
        proves: SHARING_PROVES,
        result: judge(&shares, node),
    })
}

/// One pod's slice.
struct Share {
    pod: String,
    /// What kubelet says it gave, `GPU-…::2`; absent where the kubelet does not report it.
    device: Option<String>,
    /// The UUIDs that NVML lists inside.
    inside: Vec<String>,
}

/// Waits a moment for kubelet to report the device ids of a running pod (`allocatedResourcesStatus`, Kubernetes KEP 4680).
async fn space_device(
    space: &gate::Namespace,
    name: &str,
    pod: Pod,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<Option<String>, ClusterError> {
    if let Some(device) = device_id(&pod) {
        return Ok(Some(device));
    }
    let pod = space.running(name, Duration::from_secs(5), tell).await?;
    Ok(device_id(&pod))
}

fn device_id(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let resources = statuses.first()?.allocated_resources_status.as_ref()?;
    let gpu = resources.iter().find(|resource| resource.name == "nvidia.com/gpu")?;
    gpu.resources.as_ref()?.first().map(|device| device.resource_id.clone())
}

/// The GPUs that NVML lists inside the pod.
async fn inside(
    space: &gate::Namespace,
    name: &str,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<Vec<String>, ClusterError> {
    until(&format!("NVML's answer inside pod {name}"), LIMIT, tell, || async {
        let log = space.log(name).await.unwrap_or_default();
        Ok(match serde_json::from_str::<NodeFacts>(&log) {
            Ok(facts) => Seen::Yes(facts.nvml.gpus.into_iter().filter_map(|gpu| gpu.uuid).collect()),
            Err(e) => Seen::NotYet(format!("{e} in {} bytes of log", log.len())),
        })
    })
    .await
}

fn judge(shares: &[Share], node: &str) -> GateResult {
    let evidence: Vec<String> = shares
        .iter()
        .map(|share| {
            format!(
                "{}: kubelet gave {}, NVML inside lists {}",
                share.pod,
                share.device.as_deref().unwrap_or("(not reported)"),
                share.inside.join(" ")
            )
        })
        .collect();
    let wrong = shares.iter().any(|share| {
        let [uuid] = share.inside.as_slice() else { return true };
        share
            .device
            .as_ref()
            .is_some_and(|device| !device.starts_with(&format!("{uuid}::")))
    });
    let two_on_one = shares.iter().enumerate().any(|(i, a)| {
        shares[i + 1..]
            .iter()
            .any(|b| a.inside == b.inside && (a.device.is_none() || a.device != b.device))
    });
    if wrong || !two_on_one {
        return GateResult::Failed {
            finding: gate::failed(
                SHARING,
                node,
                &evidence.join("; "),
                "kubectl -n kube-system logs ds/nvidia-device-plugin; nvidia-ctk cdi list",
            ),
        };
    }
    GateResult::Passed { evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(device: Option<&str>, inside: &[&str]) -> Share {
        Share {
            pod: "p".to_owned(),
            device: device.map(str::to_owned),
            inside: inside.iter().map(|&s| s.to_owned()).collect(),
        }
    }

    #[test]
    fn two_pods_on_one_gpu_pass_and_anything_else_fails() {
        let passed = |shares: &[Share]| matches!(judge(shares, "n"), GateResult::Passed { .. });
        assert!(passed(&[share(Some("A::0"), &["A"]), share(Some("A::1"), &["A"])]));
        assert!(passed(&[share(None, &["A"]), share(None, &["A"])]));
        assert!(
            !passed(&[share(Some("A::0"), &["A"]), share(Some("B::1"), &["B"])]),
            "nothing is shared"
        );
        assert!(
            !passed(&[share(Some("A::0"), &["A", "B"]), share(Some("A::1"), &["A", "B"])]),
            "more than its GPU is visible"
        );
        assert!(
            !passed(&[share(Some("B::0"), &["A"]), share(Some("B::1"), &["A"])]),
            "kubelet and NVML disagree"
        );
        assert!(
            !passed(&[share(Some("A::0"), &["A"]), share(Some("A::0"), &["A"])]),
            "the same slice twice"
        );
    }

    #[test]
    fn replicas_of_the_config_reach_the_plugin() {
        let mut map = documents("m", MANIFEST)
            .unwrap()
            .into_iter()
            .find(|d| d["kind"] == "ConfigMap")
            .unwrap();
        set_replicas(&mut map, 7).unwrap();
        let text = map["data"]["time-slicing.yaml"].as_str().unwrap();
        let config: Value = serde_saphyr::from_str(text).unwrap();
        assert_eq!(config["sharing"]["timeSlicing"]["resources"][0]["replicas"], 7);
    }
}
