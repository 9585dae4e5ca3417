//! NVIDIA's container runtime, for pods that want it. A part of the life in `main.rs`.

use super::daemonset::apply;
use super::{Cluster, HOSTS, hosts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What the GPU Operator, or a person with NVIDIA's documentation, does on each host and once in the cluster. bedplate's own nodes
/// do without. The runtime and the tool are NVIDIA's, and so is all that they write, but for two mounts: a container gets a sysfs
/// of its own, in which the hardware of a machine that has a kernel of its own would be.
pub(super) fn runtime_of_nvidia(cluster: &Cluster<'_>) {
    let machines = hosts();
    for host in HOSTS {
        let on = |line: &str| machines.ssh(host, line).expect("the toolkit is configured");
        let generated = on("nvidia-ctk cdi generate --format=json --nvidia-cdi-hook-path=/usr/bin/nvidia-ctk");
        let mut devices: Value = serde_json::from_str(&generated).expect("the specification is JSON");
        let mounts = devices["containerEdits"]["mounts"].as_array_mut();
        mounts.expect("libraries are mounted").extend(
            ["/sys/bus/pci/devices", "/sys/module"]
                .map(|path| json!({"hostPath": path, "containerPath": path, "options": ["ro", "rbind", "rprivate"]})),
        );
        let devices = STANDARD.encode(devices.to_string());
        on(&format!(
            "mkdir -p /etc/cdi && echo {devices} | base64 -d > /etc/cdi/nvidia.json"
        ));
        on("nvidia-ctk config --in-place --set nvidia-container-runtime.mode=cdi");
        let written = on("sha256sum /etc/containerd/config.toml");
        on("nvidia-ctk runtime configure --runtime=containerd && systemctl restart containerd");
        assert_eq!(
            on("sha256sum /etc/containerd/config.toml"),
            written,
            "NVIDIA's tool, which writes containerd's configuration anew, and `bedplate up` write the same"
        );
    }
    apply(
        cluster,
        "runtime-class",
        &json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"})
            .to_string(),
    );
}
