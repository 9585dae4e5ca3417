//! Pods on GPUs. Parts of the life in `main.rs`.

use super::health::{condition, metrics};
use super::{Cluster, eventually, hosts};
use bedplate_tests::built;
use nvidia_ml::scenario::Event;
use serde_json::json;

/// Makes a pod that asks for a GPU of this node.
fn start(cluster: &Cluster<'_>, name: &str, node: &str) {
    let image = built::image("docker.io/library/busybox:");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "work", "image": image, "command": ["sleep", "3600"],
            "resources": {"limits": {"nvidia.com/gpu": 1}}}]}});
    let file = cluster.folder.join(format!("{name}.json"));
    std::fs::write(&file, pod.to_string()).expect("the pod can be written");
    cluster.kubectl(&["apply", "-f", file.to_str().expect("a plain path")]);
}

pub(super) fn pods_on_a_shared_gpu(cluster: &Cluster<'_>) {
    for name in ["share-a", "share-b"] {
        start(cluster, name, "gpu-2");
    }
    cluster.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "pod/share-a",
        "pod/share-b",
        "--timeout=60s",
    ]);
    let of_pods = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("bedplate_gpu_pod_info{"));
        lines
            .filter(|line| line.contains("share-"))
            .map(str::to_owned)
            .collect()
    };
    let (text, pods) = eventually("two pods in the metrics", || {
        let text = metrics("gpu-2");
        let pods = of_pods(&text);
        if pods.len() == 2 {
            Ok((text, pods))
        } else {
            Err(format!("{pods:#?}"))
        }
    });
    println!("{}", pods.join("\n"));
    let label = |line: &str, name: &str| -> String {
        let (_, rest) = line.split_once(&format!("{name}=\"")).expect("the label");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    assert_eq!(label(&pods[0], "UUID"), label(&pods[1], "UUID"), "{pods:#?}");
    assert_ne!(label(&pods[0], "replica"), label(&pods[1], "replica"), "{pods:#?}");
    assert_ne!(label(&pods[0], "pod"), label(&pods[1], "pod"), "{pods:#?}");
    let powers = text
        .lines()
        .filter(|line| line.starts_with("bedplate_gpu_power_usage_watts{"));
    assert_eq!(powers.count(), 1, "one GPU, one value, however many pods it has");
    cluster.kubectl(&["delete", "pod", "share-a", "share-b", "--now"]);
    eventually("pods that are gone are in no series", || {
        let pods = of_pods(&metrics("gpu-2"));
        if pods.is_empty() {
            Ok(())
        } else {
            Err(format!("{pods:#?}"))
        }
    });
}

/// What the plugin offers of gpu-3.
fn offered(cluster: &Cluster<'_>) -> String {
    let path = "jsonpath={.status.allocatable.nvidia\\.com/gpu}";
    cluster.kubectl(&["get", "node", "gpu-3", "-o", path])
}

/// Why the pod that asks for the sick GPU is not scheduled, where that is the node's one taint, which is ours.
fn kept_away(cluster: &Cluster<'_>) -> Result<String, String> {
    let path = "jsonpath={.status.conditions[?(@.type==\"PodScheduled\")].message}";
    let why = cluster.kubectl(&["get", "pod", "waiting", "-o", path]);
    let taints = cluster.kubectl(&["get", "node", "gpu-3", "-o", "jsonpath={.spec.taints[*].key}"]);
    if taints == "bedplate.dev/gpu-unhealthy" && why.contains("untolerated taint") {
        Ok(why)
    } else {
        Err(format!("taints {taints:?}: {why}"))
    }
}

/// gpu-3 has the condition of the XID, and its one GPU is offered four times.
pub(super) fn sick_gpu_gets_no_pod(cluster: &Cluster<'_>) {
    assert_eq!(offered(cluster), "4");
    let machines = hosts();
    let mut scenario = machines.scenario("gpu-3").expect("the host has a scenario");
    scenario.events.push(Event::xid(1, 0, 119));
    machines
        .set_scenario("gpu-3", &scenario)
        .expect("the scenario can be written");
    drop(machines);
    eventually("the plugin takes one of the four back, and no more", || {
        match offered(cluster) {
            three if three == "3" => Ok(()),
            other => Err(other),
        }
    });
    start(cluster, "waiting", "gpu-3");
    println!(
        "    {}",
        eventually("the pod is kept away by the taint", || kept_away(cluster))
    );

    // A plugin that starts again calls everything healthy, though nothing was repaired.
    cluster.kubectl(&[
        "-n",
        "kube-system",
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/name=nvidia-device-plugin",
        "--field-selector",
        "spec.nodeName=gpu-3",
    ]);
    eventually("the plugin offers all four again", || match offered(cluster) {
        four if four == "4" => Ok(()),
        other => Err(other),
    });
    assert_eq!(condition(cluster, "gpu-3", "GPUXidProblem").0, "True");
    kept_away(cluster).expect("the pod still waits");
}

pub(super) fn gpu_takes_pods_again(cluster: &Cluster<'_>) {
    eventually("the plugin offers the GPU again", || match offered(cluster) {
        four if four == "4" => Ok(()),
        other => Err(other),
    });
    eventually("a pod runs on it", || {
        let phase = cluster.kubectl(&["get", "pod", "waiting", "-o", "jsonpath={.status.phase}"]);
        match phase.as_str() {
            "Running" => return Ok(()),
            // Scheduled as soon as the taint was gone, before the plugin had registered: kubelet turns such a pod away for good,
            // and whoever made it makes another.
            "Failed" => {
                cluster.kubectl(&["delete", "pod", "waiting", "--now"]);
                start(cluster, "waiting", "gpu-3");
            }
            _ => {}
        }
        Err(phase)
    });
    cluster.kubectl(&["delete", "pod", "waiting", "--now"]);
}
