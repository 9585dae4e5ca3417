//! What the agents say of their GPUs, where people and programs read it. Parts of the life in `main.rs`.

use super::{Cluster, eventually, hosts};
use bedplate_tests::built::bedplate;
use bedplate_tests::report::text;
use std::time::Instant;

/// `bedplate status`, and that it ends with this code.
pub(super) fn status(cluster: &Cluster<'_>, code: i32) -> serde_json::Value {
    let ran = bedplate(cluster.folder, &["--output", "json", "status"]);
    assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).expect("one JSON document")
}

pub(super) fn fleet_is_healthy(cluster: &Cluster<'_>) {
    let fleet = status(cluster, 0);
    let nodes = fleet["nodes"].as_array().expect("a list");
    let seen: Vec<(&str, &str, usize)> = nodes
        .iter()
        .map(|node| {
            let gpus = node["gpus"].as_array().expect("a list");
            assert!(gpus.iter().all(|gpu| gpu["health"] == "healthy"), "{node:#}");
            (text(&node["name"]), text(&node["agent"]["state"]), gpus.len())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("gpu-1", "reports", 2),
            ("gpu-2", "reports", 1),
            ("gpu-3", "reports", 1)
        ],
        "{fleet:#}"
    );
    let ran = bedplate(cluster.folder, &["status"]);
    println!("{}", ran.stdout);
    assert!(ran.stdout.starts_with("NODE"), "{}", ran.stdout);
}

/// What a node's agent exports, asked on the node itself.
pub(super) fn metrics(host: &str) -> String {
    let request = "exec 3<>/dev/tcp/127.0.0.1/9479 && printf 'GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && cat <&3";
    let answer = hosts().ssh(host, &format!("bash -c \"{request}\""));
    answer.expect("the agent answers")
}

/// A field of a node's condition.
pub(super) fn condition_field(cluster: &Cluster<'_>, node: &str, kind: &str, field: &str) -> String {
    let path = format!("jsonpath={{.status.conditions[?(@.type==\"{kind}\")].{field}}}");
    cluster.kubectl(&["get", "node", node, "-o", &path])
}

/// Status, reason and message of a node's condition.
pub(super) fn condition(cluster: &Cluster<'_>, node: &str, kind: &str) -> (String, String, String) {
    let one = |field: &str| condition_field(cluster, node, kind, field);
    (one("status"), one("reason"), one("message"))
}

pub(super) fn xid_becomes_a_condition(cluster: &Cluster<'_>) {
    assert_eq!(condition(cluster, "gpu-3", "GPUXidProblem").0, "False");
    let address = hosts().scenario("gpu-3").expect("the host has a scenario").gpus[0].pci_address;
    // A container that writes the same words is not believed: what is written to the log is never of facility kern.
    let forged = format!("echo 'NVRM: Xid (PCI:{address}): 79, forged' > /dev/kmsg");
    hosts()
        .ssh("gpu-3", &forged)
        .expect("anybody who is root may write to the log");
    let line = format!(
        "<3>NVRM: Xid (PCI:{address}): 119, pid=4711, name=work, Timeout after 6s of waiting for RPC response from GPU0 GSP!"
    );
    let since = Instant::now();
    hosts()
        .kernel_log("gpu-3", &line)
        .expect("the kernel can be made to say it");
    let (reason, message) = eventually("the XID in a condition", || {
        match condition(cluster, "gpu-3", "GPUXidProblem") {
            (status, reason, message) if status == "True" => Ok((reason, message)),
            other => Err(format!("{other:?}")),
        }
    });
    println!(
        "    from the kernel's record to a condition that kubectl reads: {:.1} s: {reason}: {message}",
        since.elapsed().as_secs_f32()
    );
    assert!(message.contains("119") && !message.contains("79"), "{message}");
    let fleet = status(cluster, 1);
    let told = fleet["findings"].to_string();
    assert!(told.contains("gpu-xid-problem") && told.contains("gpu-3"), "{told}");
}

pub(super) fn boot_clears_the_xid(cluster: &Cluster<'_>) {
    hosts().reboot("gpu-3").expect("it boots again");
    eventually("the condition is False again", || {
        match condition(cluster, "gpu-3", "GPUXidProblem") {
            (status, ..) if status == "False" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
