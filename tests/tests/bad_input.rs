//! What a person gets wrong before a run: every mistake at once with its place and cure, a documented exit code, and nothing
//! begun. Drives the built `bedplate`.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_protocol::{Finding, Sha256Hex};
use bedplate_tests::built::{Ran, bedplate, cache};
use std::path::Path;

/// The findings of a run that began nothing.
fn refused(ran: &Ran) -> Vec<Finding> {
    assert_eq!(ran.code, Some(65), "{}{}", ran.stdout, ran.stderr);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("stdout is one JSON document");
    serde_json::from_value(document["findings"].clone()).expect("a list of findings")
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("the test's folder can be written to");
}

/// What `up` would have written, or `rehearse` have made.
fn assert_nothing_was_made(folder: &Path, name: &str) {
    assert!(!folder.join("kubeconfig").exists());
    assert!(!cache().join("rehearsals").join(name).exists());
    assert!(!Path::new("/run/netns").join(format!("bedplate-{name}")).exists());
}

const MISTAKES: &str = "\
name: mistakes
kubernets: {podSubnet: 10.244.0.0/16}
gpu: {timeSlicing: {replicas: many}}
nodes:
- {name: gpu-1, address: 10.77.0.11, role: control-plane}
- {name: gpu-1, address: 10.77.0.12, role: worker}
- {name: gpu-3, address: not-an-address, role: worker}
ssh: {key: /nonexistent/key}
artifacts: /nonexistent/artifacts
";

#[test]
fn every_mistake_of_a_cluster_file_is_told_at_once_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "bad.yaml", MISTAKES);
    let findings = refused(&bedplate(folder.path(), &["--output", "json", "up", "bad.yaml"]));
    for (place, word) in [
        ("bad.yaml:2:", "kubernets"),
        ("bad.yaml:3:", "replicas"),
        ("bad.yaml:6:", "gpu-1"),
        ("bad.yaml:7:", "not-an-address"),
        ("bad.yaml:8:", "/nonexistent/key"),
        ("bad.yaml:9:", "/nonexistent/artifacts"),
    ] {
        let told = findings
            .iter()
            .any(|finding| finding.subject.starts_with(place) && finding.to_string().contains(word));
        assert!(told, "{place} {word} in {findings:#?}");
    }
    for finding in &findings {
        assert!(!finding.remedy.is_empty(), "{finding}");
        let column = finding.subject.rsplit(':').next().unwrap();
        assert!(column.parse::<u32>().is_ok(), "{finding}");
    }
    assert_nothing_was_made(folder.path(), "mistakes");
}

#[test]
fn people_read_the_same_findings_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "bad.yaml", MISTAKES);
    let ran = bedplate(folder.path(), &["up", "bad.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(65), ""));
    assert!(ran.stderr.contains("bad.yaml:2:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("cure: "), "{}", ran.stderr);
}

#[test]
fn a_key_file_that_is_not_there_is_named_before_any_host_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "keyless.yaml",
        "name: keyless\nssh: {key: /nonexistent/key}\nnodes:\n- {name: gpu-1, address: 10.77.0.11, role: control-plane}\n",
    );
    let findings = refused(&bedplate(folder.path(), &["--output", "json", "up", "keyless.yaml"]));
    let told = findings
        .iter()
        .any(|finding| finding.to_string().contains("/nonexistent/key"));
    assert!(told, "{findings:#?}");
    assert_nothing_was_made(folder.path(), "keyless");
}

#[test]
fn an_artifact_that_differs_is_refused_with_both_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let (listed, there) = (Sha256Hex::of(b"what the index lists"), Sha256Hex::of(b"what is there"));
    write(folder.path(), "runc.zst", "what is there");
    write(
        folder.path(),
        "index.yaml",
        &format!(
            "version: 1\nkubernetes: v1.36.3\nimages: []\nprograms:\n- {{name: runc, version: v1, file: runc.zst, sha256: {listed}, \
             size: 13, content_sha256: {listed}, content_size: 13, install: /usr/local/bin/runc, mode: '0755', roles: [worker]}}\n"
        ),
    );
    let text = format!(
        "name: wrong-artifact\nartifacts: {}\nnodes:\n- {{name: gpu-1, address: 10.77.0.11, role: control-plane}}\n",
        folder.path().display()
    );
    write(folder.path(), "cluster.yaml", &text);
    let findings = refused(&bedplate(
        folder.path(),
        &["--output", "json", "rehearse", "cluster.yaml"],
    ));
    let finding = findings.iter().find(|finding| finding.code == "artifact-hash");
    let told = finding.map(ToString::to_string).unwrap_or_default();
    for word in [listed.as_str(), there.as_str(), "runc.zst"] {
        assert!(told.contains(word), "{word} in {findings:#?}");
    }
    assert_nothing_was_made(folder.path(), "wrong-artifact");
}

#[test]
fn an_agent_that_is_not_there_is_told_with_one_cure() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "bad.yaml", MISTAKES);
    let ran = bedplate(
        folder.path(),
        &["--agent", "/nonexistent/agent", "preflight", "bad.yaml"],
    );
    assert_eq!(ran.code, Some(65), "{}", ran.stderr);
    let (_, told) = ran.stderr.split_once("[agent-binary]").expect("it is told");
    let told = told.split("\nerror: ").next().unwrap_or_default();
    assert_eq!(told.matches("cure:").count(), 1, "{told}");
    assert!(!told.contains("/nonexistent/agent"), "named twice: {told}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let findings = refused(&bedplate(folder.path(), &["--output", "json", "up", "absent.yaml"]));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].subject, "absent.yaml");
}

#[test]
fn a_wrong_command_line_is_64_and_help_is_0() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["up"][..],
        &["frobnicate"],
        &["up", "--unknown", "cluster.yaml"],
        &["rehearse", "--keep", "--down", "cluster.yaml"],
    ] {
        let ran = bedplate(folder.path(), arguments);
        assert_eq!(ran.code, Some(64), "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("Usage") || ran.stderr.contains("--help"),
            "{}",
            ran.stderr
        );
    }
    let help = bedplate(folder.path(), &["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Exit codes:"), "{}", help.stdout);
}

#[test]
fn removing_machines_that_nobody_kept_is_no_mistake() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "cluster.yaml",
        "name: never-made\nnodes:\n- {name: gpu-1, address: 10.77.0.11, role: control-plane}\n",
    );
    let ran = bedplate(folder.path(), &["rehearse", "--down", "cluster.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("never-made"), "{}", ran.stderr);
    assert_nothing_was_made(folder.path(), "never-made");
}
