//! Hosts with something wrong, and what is said of them. The facts are written out; the reading of real hosts is tested with
//! the agent.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate::config::{self, ClusterSpec, Surroundings};
use bedplate::preflight;
use bedplate_protocol::{Finding, NodeFacts};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::path::Path;

fn spec(accept: &str) -> ClusterSpec {
    let text = format!(
        "name: c\naccept: {accept}\nnodes: [{{name: gpu-1, address: 10.0.0.1, role: control-plane, expect: {{gpus: 1}}}}]\n"
    );
    let around = Surroundings {
        home: Path::new("/root"),
        folder: Path::new("/"),
        sections: &[],
        codes: &["cgroup-v1"],
    };
    config::parse("c.yaml", &text, &around).expect("a good file").spec
}

fn facts(changes: &[(&str, Value)]) -> NodeFacts {
    let text = include_str!("fixtures/good-gpu-host.json");
    let mut value: Value = serde_json::from_str(text).expect("facts");
    for (pointer, new) in changes {
        *value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = new.clone();
    }
    serde_json::from_value(value).expect("facts")
}

fn judge(changes: &[(&str, Value)]) -> Vec<Finding> {
    let spec = spec("[]");
    preflight::judge(&spec, &spec.nodes[0], &facts(changes), Some(SignedDuration::ZERO))
}

fn codes(changes: &[(&str, Value)]) -> Vec<(String, bool)> {
    judge(changes)
        .into_iter()
        .map(|finding| (finding.code.clone(), finding.blocks()))
        .collect()
}

fn one(code: &str, blocks: bool) -> Vec<(String, bool)> {
    vec![(code.to_owned(), blocks)]
}

#[test]
fn a_good_host_has_no_findings() {
    assert_eq!(judge(&[]), Vec::new());
}

#[test]
fn each_fault_is_named_by_its_code() {
    assert_eq!(codes(&[("/nvidia_pci", json!([]))]), one("gpu-not-on-pci", true));
    assert_eq!(
        codes(&[
            ("/nvidia/module_flavour", json!("open")),
            ("/nvidia_pci/0/device", json!("0x1db6"))
        ]),
        one("driver-flavour", true)
    );
    assert_eq!(
        codes(&[
            ("/nvidia/module_flavour", json!("proprietary")),
            ("/nvidia_pci/0/device", json!("0x2901"))
        ]),
        one("driver-flavour", true)
    );
    assert_eq!(
        codes(&[("/kernel/modules", json!(["nouveau"]))]),
        one("nouveau-active", true)
    );
    assert_eq!(
        codes(&[("/kernel/headers", json!(false))]),
        one("kernel-headers-missing", false)
    );
    assert_eq!(
        codes(&[("/nvidia/library_version", json!("580.95.01"))]),
        one("driver-library-mismatch", true)
    );
    assert_eq!(codes(&[("/swaps", json!(["/dev/sda2"]))]), one("swap-enabled", false));
    assert_eq!(codes(&[("/cgroup", json!("v1"))]), one("cgroup-v1", true));
    assert_eq!(
        codes(&[("/nvidia/container_toolkit", Value::Null)]),
        one("container-toolkit-missing", false)
    );
    assert_eq!(codes(&[("/nvidia/cdi_specs", json!([]))]), one("cdi-missing", false));
    assert_eq!(
        codes(&[("/time/synchronized", json!(false))]),
        one("clock-not-synchronized", false)
    );
    assert_eq!(
        codes(&[("/disks/0/available_bytes", json!(1_000_000_000_u64))]),
        one("disk-nearly-full", false)
    );
}

#[test]
fn a_gpu_host_without_a_driver_is_told_the_exact_commands() {
    let bare = [
        ("/nvidia/module_version", Value::Null),
        ("/nvidia/library_version", Value::Null),
        ("/nvidia/library_path", Value::Null),
        ("/kernel/headers", json!(false)),
        ("/boot/secure_boot", json!(true)),
    ];
    let findings = judge(&bare);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["secure-boot", "kernel-headers-missing", "driver-missing"]);
    let remedy = &findings[2].remedy;
    for part in [
        "linux-headers-6.1.0-28-amd64",
        "repos/debian12/x86_64",
        "apt-get install --yes nvidia-open",
        "reboot",
    ] {
        assert!(remedy.contains(part), "{remedy}");
    }
}

#[test]
fn the_clock_may_be_five_seconds_off_and_no_more() {
    let spec = spec("[]");
    let at = |seconds| {
        preflight::judge(
            &spec,
            &spec.nodes[0],
            &facts(&[]),
            Some(SignedDuration::from_secs(seconds)),
        )
    };
    assert_eq!(at(5), Vec::new());
    assert_eq!(at(-6)[0].code, "clock-offset");
    assert!(at(-6)[0].message.contains("6.0 s behind"), "{}", at(-6)[0]);
}

#[test]
fn an_accepted_finding_keeps_its_reason_and_does_not_block() {
    let spec = spec("[{code: cgroup-v1, reason: old machine}]");
    let findings = preflight::judge(&spec, &spec.nodes[0], &facts(&[("/cgroup", json!("v1"))]), None);
    assert_eq!(findings[0].accepted.as_deref(), Some("old machine"));
    assert!(!findings[0].blocks());
}

#[test]
fn a_host_without_expected_gpus_is_not_asked_for_a_driver() {
    let mut spec = spec("[]");
    spec.nodes[0].expect.gpus = None;
    let bare = facts(&[("/nvidia/module_version", Value::Null), ("/nvidia_pci", json!([]))]);
    assert_eq!(preflight::judge(&spec, &spec.nodes[0], &bare, None), Vec::new());
}
