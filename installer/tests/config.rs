//! Cluster files, good and bad: what is read of them, and every mistake at once with its place and cure.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate::config::{self, Conntrack, Mistakes, NodeRole, Parsed, Surroundings};
use bedplate::preflight;
use proptest::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[path = "../../tests/fuzz/cluster_text.rs"]
mod cluster_text;

fn parse(file: &str, text: &str) -> Result<Parsed, Mistakes> {
    let codes = preflight::codes();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let around = Surroundings {
        home: Path::new("/home/anna"),
        folder: Path::new("/site"),
        sections: bedplate_substrates::SECTIONS,
        codes: &codes,
    };
    config::parse(file, text, &around)
}

fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares with a file; `BEDPLATE_BLESS=1` writes it instead.
fn golden(path: &Path, found: &str) {
    if std::env::var_os("BEDPLATE_BLESS").is_some() {
        std::fs::write(path, found).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "{} differs; look at it, then BEDPLATE_BLESS=1 cargo test",
        path.display()
    );
}

#[test]
fn every_mistake_is_found_at_once_with_its_place_and_cure() {
    let folder = beside("tests/fixtures/config");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("fixtures") {
        let path = entry.expect("entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("fixture");
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let findings = parse(&name, &text).expect_err("each fixture has a mistake").findings;
        let mut printed = String::new();
        for finding in &findings {
            assert!(!finding.remedy.is_empty(), "{finding}");
            assert!(finding.subject.starts_with(&format!("{name}:")), "{finding}");
            assert!(
                config::CODES.iter().any(|(code, _, _)| *code == finding.code),
                "{finding}"
            );
            let _ = writeln!(printed, "{finding}");
        }
        golden(&path.with_extension("txt"), &printed);
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn the_examples_can_be_used_as_they_stand() {
    for name in ["three-gpu-nodes", "vagrant"] {
        let text = std::fs::read_to_string(beside(&format!("../examples/{name}.yaml"))).expect("example");
        let parsed = parse(name, &text).unwrap_or_else(|findings| panic!("{findings:#?}"));
        assert_eq!(parsed.warnings, Vec::new());
        assert_eq!(parsed.spec.nodes.len(), 3);
    }
}

#[test]
fn defaults_are_filled_in_and_paths_become_absolute() {
    let section = bedplate_substrates::SECTIONS[0];
    let text = &format!(
        "name: small\nssh: {{key: keys/id}}\n{section}: {{a: [1, yes, 0.5]}}\nnodes:\n- {{name: a, address: 10.0.0.1, role: control-plane}}\n"
    );
    let Parsed { spec, warnings } = parse("c.yaml", text).expect("a good file");
    assert_eq!(warnings, Vec::new());
    assert_eq!(
        spec.files.artifacts.path,
        Path::new("/home/anna/.cache/bedplate/artifacts")
    );
    assert_eq!(spec.files.key.path, Path::new("/site/keys/id"));
    assert_eq!(spec.ssh.known_hosts, Path::new("/home/anna/.ssh/known_hosts"));
    assert_eq!((spec.ssh.user.as_str(), spec.ssh.port), ("root", 22));
    assert_eq!(spec.kubernetes.pod_subnet.to_string(), "10.244.0.0/16");
    assert_eq!(spec.kubernetes.conntrack, Conntrack::Manage);
    assert_eq!(spec.nodes[0].role, NodeRole::ControlPlane);
    assert_eq!(spec.nodes[0].line, 5);
    assert_eq!(spec.sections[section].value["a"][0], 1);
    assert_eq!(spec.sections[section].line, 3);
}

#[test]
fn an_unknown_code_is_a_warning_that_names_the_nearest() {
    let text = "name: small\naccept: [{code: cgroupv1, reason: old}]\nnodes: [{name: a, address: 10.0.0.1, role: control-plane}]\n";
    let parsed = parse("c.yaml", text).expect("only a warning");
    assert_eq!(parsed.warnings.len(), 1);
    assert!(
        parsed.warnings[0].remedy.contains("`cgroup-v1`"),
        "{}",
        parsed.warnings[0]
    );
}

#[test]
fn a_key_that_cannot_be_read_is_told_with_its_place_whatever_else_is_wrong() {
    let text = "name: small\nssh: {key: /nonexistent/key, prot: 22}\nnodes: [{name: a, address: 10.0.0.1, role: control-plane}]\n";
    let files = parse("c.yaml", text)
        .expect_err("prot is unknown")
        .files
        .expect("the text is read");
    let findings = config::check_key(&files.key);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].subject, "c.yaml:2:12");
    assert!(findings[0].blocks());
    assert_eq!(files.artifacts.named_at, "c.yaml: artifacts");
}

proptest! {
    #[test]
    fn any_text_is_a_cluster_or_says_where_it_is_none(text in "(?s).{0,400}") {
        cluster_text::holds(&text);
    }

    #[test]
    fn so_does_any_yaml(text in "([a-z]{1,9}: |- |\\{|\\}|\\[|\\]|, |\n|  |name: a|nodes:|10\\.0\\.0\\.1|&a |\\*a |!!int |[0-9.]{1,9}|\"|'){0,80}") {
        cluster_text::holds(&text);
    }

    #[test]
    fn deep_nesting_is_a_finding(depth in 65_usize..5000, bracket in prop::sample::select(vec!["[", "{", "- ", "{a: "])) {
        prop_assert!(parse("c.yaml", &bracket.repeat(depth)).is_err());
    }
}
