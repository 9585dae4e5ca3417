//! The printed verdict, golden over fixture trees, and the command line's words. Run by `cargo test` only.

use super::*;
use crate::checks::{self, History, Observation};
use crate::host::{Tree, read_tree};
use bedplate_protocol::Finding;
use std::path::PathBuf;

/// The text that `check` prints for `tests/fixtures/<name>`: the tree `root`, and `nvml.json` as the worker would answer.
fn printed(name: &str, expect: Option<&str>) -> String {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let nvml = serde_json::from_str(&std::fs::read_to_string(fixture.join("nvml.json")).unwrap()).unwrap();
    let facts = read_tree(Tree::new(&fixture.join("root")), nvml);
    let expect = expect.map(|text| expect::parse(text).unwrap());
    let history = History::default();
    text(&checks::judge(&Observation {
        facts: &facts,
        expect: expect.as_ref(),
        history: &history,
    }))
}

#[test]
fn two_healthy_gpus_print_as_agreed() {
    insta::assert_snapshot!(printed("two-h100", Some("gpus=2,model=H100")), @r"
    healthy: 2 of 2 GPU(s) healthy
    GPU 0  healthy  0000:17:00.0  GPU-11111111-0000-0000-0000-000000000000  NVIDIA H100 80GB HBM3
    GPU 1  healthy  0000:65:00.0  GPU-11111111-0000-0000-0000-000000000001  NVIDIA H100 80GB HBM3
    ");
}

#[test]
fn a_lost_gpu_prints_as_agreed() {
    insta::assert_snapshot!(printed("one-lost", None), @r"
    problem: 1 of 2 GPU(s) healthy; gpu-lost
    GPU 0  healthy  0000:17:00.0  GPU-11111111-0000-0000-0000-000000000000  NVIDIA H100 80GB HBM3
    GPU 1  problem  -  -  -
    error: gpu-2/gpu-1 [gpu-lost] the GPU has fallen off the bus
        seen: nvmlDeviceGetHandleByIndex_v2 = 15: device fell off the bus or has otherwise become inacessible
        seen: the only GPU on PCI that NVML gives no handle for is 0000:65:00.0
        cure: drain the node and reboot it; if the GPU stays away, power the host off and on, and replace the card if it happens again
    ");
}

#[test]
fn a_host_without_gpu_prints_as_agreed() {
    insta::assert_snapshot!(printed("no-gpu", None), @"healthy: no GPU here and none expected");
}

#[test]
fn the_first_line_fits_a_plugin_whatever_is_wrong() {
    for findings in 0..40 {
        let finding = |n: usize| {
            let code = format!("some-rather-long-code-{n}-{}", "x".repeat(n * 3));
            Finding::new(Severity::Error, code, "node", "it is wrong", "mend it")
        };
        let verdict = Verdict {
            health: Health::Problem,
            gpus: Vec::new(),
            action: None,
            findings: (0..findings).map(finding).collect(),
        };
        let line = first_line(&verdict);
        assert!(
            line.len() <= FIRST_LINE && !line.contains('\n'),
            "{} bytes: {line}",
            line.len()
        );
    }
}

#[test]
fn every_mistake_in_an_expectation_is_named_with_the_nearest_key() {
    let wrong = |text: &str| expect::parse(text).unwrap_err().to_string();
    for (text, words) in [
        ("gpus", "is not KEY=VALUE"),
        ("gpus=many", "gpus=\"many\" is not a whole number"),
        ("gpus=-1", "is not a whole number"),
        ("link-width=x16", "is not a whole number"),
        ("gpus=1,gpus=1", "gpus is given twice"),
        ("mig=true", "write mig=on or mig=off"),
        ("model=", "model is empty"),
        ("memory_gib=80", "do you mean memory-gib?"),
        ("percistence=on", "do you mean persistence?"),
        (
            "colour=red",
            "the keys are gpus, model, driver, memory-gib, mig, persistence, ecc, link-width",
        ),
    ] {
        assert!(wrong(text).contains(words), "{text}: {}", wrong(text));
    }
}

#[test]
fn every_mistake_of_an_expectation_is_told_at_once() {
    let told = expect::parse("gpus=x,foo=1,mig=perhaps,ecc=on")
        .unwrap_err()
        .to_string();
    for words in ["gpus=\"x\"", "\"foo\" is not known", "mig=\"perhaps\""] {
        assert!(told.contains(words), "{words} in {told}");
    }
}

#[test]
fn an_expectation_is_written_as_it_is_read() {
    let all = "gpus=8,model=H100,driver=580.95,memory-gib=79,mig=off,persistence=on,ecc=on,link-width=16";
    assert_eq!(expect::written(&expect::parse(all).unwrap()), all);
    let few = "gpus=0,ecc=off";
    assert_eq!(expect::written(&expect::parse(few).unwrap()), few);
}
