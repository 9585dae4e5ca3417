//! The agent as a pod: `manifests/agent/daemonset.yaml` as it is shipped, beside and in place of the unit. Parts of the life in
//! `main.rs`.

use super::health::{condition, condition_field};
use super::{Cluster, HOSTS, eventually, hosts};
use bedplate_tests::built::{self, repository};
use std::time::Instant;

pub(super) const NAMESPACE: &str = "bedplate-system";
/// Applies what is written in this file of the test's folder.
pub(super) fn apply(cluster: &Cluster<'_>, name: &str, text: &str) {
    let file = cluster.folder.join(name);
    std::fs::write(&file, text).expect("the object can be written");
    cluster.kubectl(&["apply", "-f", file.to_str().expect("a plain path")]);
}

/// The manifest with an image, as whoever applies it must give it one, and with another type of file for the kernel's log: a
/// machine's `/dev/kmsg` is no character device here. Nothing else differs.
fn manifest() -> String {
    let path = repository().join("manifests/agent/daemonset.yaml");
    let mut text = std::fs::read_to_string(path).expect("the manifest is there");
    let image = format!("image: {}", built::image("ghcr.io/bedplate/bedplate-agent:"));
    for (shipped, here) in [("image: \"\"", image.as_str()), ("type: CharDevice", "type: File")] {
        assert_eq!(text.matches(shipped).count(), 1, "{shipped}");
        text = text.replace(shipped, here);
    }
    text
}

pub(super) fn pod_on(cluster: &Cluster<'_>, node: &str, field: &str) -> String {
    let (of, path) = (
        format!("spec.nodeName={node}"),
        format!("jsonpath={{.items[*].{field}}}"),
    );
    let label = "app.kubernetes.io/name=bedplate-agent";
    cluster.kubectl(&[
        "-n",
        NAMESPACE,
        "get",
        "pods",
        "-l",
        label,
        "--field-selector",
        &of,
        "-o",
        &path,
    ])
}

fn said(cluster: &Cluster<'_>, node: &str) -> String {
    let pod = pod_on(cluster, node, "metadata.name");
    cluster.kubectl(&["-n", NAMESPACE, "logs", &pod])
}

fn publisher(cluster: &Cluster<'_>) -> String {
    let path = "jsonpath={.spec.holderIdentity}";
    cluster.kubectl(&["-n", NAMESPACE, "get", "lease", "bedplate-agent-gpu-3", "-o", path])
}

pub(super) fn ready(cluster: &Cluster<'_>) {
    cluster.kubectl(&[
        "-n",
        NAMESPACE,
        "rollout",
        "status",
        "daemonset/bedplate-agent",
        "--timeout=60s",
    ]);
}

fn becomes(cluster: &Cluster<'_>, holder: &str) {
    let since = Instant::now();
    eventually(&format!("{holder} publishes"), || match publisher(cluster) {
        now if now == holder => Ok(()),
        other => Err(format!("{other}: {}", said(cluster, "gpu-3"))),
    });
    println!("    {holder} publishes after {:.1} s", since.elapsed().as_secs_f32());
}

/// Processes and pages of NVML workers on a host: one each for the unit that runs and for the pod.
fn workers(host: &str) -> (usize, usize) {
    let count = "pgrep -fc '^bedplate-agent nvml-worker'; ls /run/bedplate/nvml-workers | wc -l";
    let told = hosts().ssh(host, &format!("{{ {count}; }}; true")).expect("counted");
    let mut numbers = told.lines().map(|line| line.trim().parse().expect("a number"));
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

pub(super) fn pod_stands_by_and_takes_over(cluster: &Cluster<'_>) {
    apply(cluster, "agent.yaml", &manifest());
    ready(cluster);
    for host in HOSTS {
        eventually("the pod leaves the node to the unit", || {
            let log = said(cluster, host);
            let stands_by = log.contains("another agent (systemd) publishes for this node");
            if stands_by { Ok(()) } else { Err(log) }
        });
    }
    assert_eq!(publisher(cluster), "systemd");
    assert_eq!(
        workers("gpu-3"),
        (2, 2),
        "each agent has its worker, and each knows of the other's"
    );

    let last = condition_field(cluster, "gpu-3", "GPUXidProblem", "lastHeartbeatTime");
    hosts()
        .ssh("gpu-3", "systemctl stop bedplate-agent")
        .expect("the unit stops");
    becomes(cluster, "daemonset");
    eventually(
        "the pod has written the node's conditions, by the kernel's log since the boot",
        || {
            let heard = condition_field(cluster, "gpu-3", "GPUXidProblem", "lastHeartbeatTime");
            match condition(cluster, "gpu-3", "GPUXidProblem") {
                (status, _, message) if status == "True" && message.contains("119") && heard > last => Ok(()),
                other => Err(format!("{other:?} {heard}: {}", said(cluster, "gpu-3"))),
            }
        },
    );
    assert_eq!(condition(cluster, "gpu-3", "GPUInventoryProblem").0, "False");
    let address = hosts().scenario("gpu-3").expect("the host has a scenario").gpus[0].pci_address;
    let since = Instant::now();
    hosts()
        .kernel_log(
            "gpu-3",
            &format!("<3>NVRM: Xid (PCI:{address}): 13, pid=4711, name=python3, Graphics Exception"),
        )
        .expect("the kernel can be made to say it");
    eventually(
        "an XID comes from the kernel into the pod, which says which node's GPU it is",
        || {
            let log = said(cluster, "gpu-3");
            let told = log
                .lines()
                .any(|line| line.contains("XID 13 at") && line.contains("gpu-3/GPU-"));
            if told { Ok(()) } else { Err(log) }
        },
    );
    println!(
        "    from the kernel's record to the pod's log: {:.1} s",
        since.elapsed().as_secs_f32()
    );
    assert!(
        condition(cluster, "gpu-3", "GPUXidProblem").2.contains("gpu-3"),
        "it is about the node, not about a pod"
    );
}

pub(super) fn unit_takes_over_again(cluster: &Cluster<'_>) {
    assert_eq!(
        publisher(cluster),
        "daemonset",
        "a pod that starts again finds the Lease of the one before it, or a free one"
    );
    hosts()
        .ssh("gpu-3", "systemctl start bedplate-agent")
        .expect("the unit starts");
    eventually("the unit leaves the node to the pod", || {
        let log = hosts()
            .ssh("gpu-3", "journalctl -u bedplate-agent -n 20 -o cat")
            .expect("its log can be read");
        let stands_by = log.contains("another agent (daemonset) publishes for this node");
        if stands_by { Ok(()) } else { Err(log) }
    });
    let last = condition_field(cluster, "gpu-3", "GPUXidProblem", "lastHeartbeatTime");
    let file = cluster.folder.join("agent.yaml");
    cluster.kubectl(&["delete", "--wait=true", "-f", file.to_str().expect("a plain path")]);
    eventually("no pod is left", || match pod_on(cluster, "gpu-3", "metadata.name") {
        none if none.is_empty() => Ok(()),
        pod => Err(pod),
    });
    assert_eq!(
        workers("gpu-3"),
        (1, 1),
        "the pod's worker is gone, and took its page away: it was not killed"
    );
    let since = Instant::now();
    eventually("the unit publishes again", || {
        let heard = condition_field(cluster, "gpu-3", "GPUXidProblem", "lastHeartbeatTime");
        if publisher(cluster) == "systemd" && heard > last {
            Ok(())
        } else {
            Err(heard)
        }
    });
    println!("    the unit publishes after {:.1} s", since.elapsed().as_secs_f32());
    cluster.kubectl(&["delete", "runtimeclass", "nvidia"]);
}
