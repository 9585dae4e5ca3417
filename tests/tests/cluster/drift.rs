//! What somebody changes by hand is named by the next run, and cured. Parts of the life in `main.rs`.

use super::bootstrap::no_change;
use super::{Cluster, hosts};
use bedplate_tests::report::text;
use serde_json::json;

/// The name of the object, and the key of its data, in which the plugin's settings are.
const CONFIG_MAP: &str = "nvidia-device-plugin";
const CONFIG_KEY: &str = "time-slicing.yaml";

pub(super) fn drifts_are_named(cluster: &Cluster<'_>) {
    let machines = hosts();
    let on = |host: &str, line: &str| machines.ssh(host, line).expect("the change by hand");
    on(
        "gpu-2",
        "f=/etc/sysctl.d/90-bedplate-net.ipv4.ip_forward.conf; test -f $f && echo net.ipv4.ip_forward=0 > $f",
    );
    on(
        "gpu-3",
        "f=/etc/systemd/system/containerd.service; test -f $f && echo '# by hand' >> $f",
    );
    drop(machines);
    cluster.kubectl(&["label", "node", "gpu-2", "nvidia.com/gpu.present-"]);
    let settings = cluster.kubectl(&["-n", "kube-system", "get", "configmap", CONFIG_MAP, "-o", "json"]);
    let settings: serde_json::Value = serde_json::from_str(&settings).expect("kubectl writes JSON");
    // The same settings for the plugin, and not the same text.
    let patch =
        json!({"data": {CONFIG_KEY: format!("{}\n# by hand\n", text(&settings["data"][CONFIG_KEY]))}}).to_string();
    cluster.kubectl(&[
        "-n",
        "kube-system",
        "patch",
        "configmap",
        CONFIG_MAP,
        "--type=merge",
        "-p",
        &patch,
    ]);

    // A field that somebody else has taken is an error by name, never taken back by force.
    let report = cluster.rehearse("--keep").ended(1);
    let changes = report.changes();
    let expected = [
        "gpu-2 sysctl:net.ipv4.ip_forward",
        "gpu-3 unit:containerd.service",
        "Node gpu-2 changed: metadata.labels.nvidia.com/gpu.present",
        "ConfigMap kube-system/nvidia-device-plugin not changed: ",
    ];
    assert_eq!(changes.len(), expected.len(), "{changes:#?}");
    for (change, expected) in changes.iter().zip(expected) {
        assert!(change.starts_with(expected), "{expected:?} in {changes:#?}");
    }
    let conflict = &report.json["findings"][0];
    assert_eq!(conflict["code"], "field-conflict", "{:#}", report.json["findings"]);
    assert!(
        conflict["evidence"].to_string().contains("kubectl-patch"),
        "{conflict:#}"
    );
}

pub(super) fn cured(cluster: &Cluster<'_>) {
    // The cure that the finding names.
    cluster.kubectl(&["-n", "kube-system", "delete", "configmap", CONFIG_MAP]);
    let report = cluster.rehearse("--keep").ended(0);
    assert_eq!(report.changes(), ["ConfigMap kube-system/nvidia-device-plugin created"]);
    no_change(cluster);
}
