//! Cluster files, good and bad: what is read of them, and every mistake at once with its place and cure.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate::config::{self, Conntrack, Key, Mistakes, NodeRole, Parsed, Surroundings};
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

/// A cluster file with every key of a table and of those beneath it, at its example; `changed` says what stands instead.
fn whole(table: &str, indent: usize, changed: &dyn Fn(&Key) -> Option<String>) -> String {
    let mut text = String::new();
    for key in config::keys().iter().filter(|key| key.of == table) {
        let path = [table, &key.key].join(".").trim_start_matches('.').to_owned();
        let item = format!("{path}[]");
        let has = |table: &str| config::keys().iter().any(|key| key.of == table);
        let (name, space) = (&key.key, " ".repeat(indent));
        if let Some(value) = changed(key) {
            let _ = writeln!(text, "{space}{name}: {value}");
        } else if let Some(example) = &key.example {
            let _ = writeln!(text, "{space}{name}: {example}");
        } else if has(&item) {
            let items = whole(&item, indent + 2, changed);
            let _ = writeln!(text, "{space}{name}:\n{space}- {}", items.trim());
        } else {
            let _ = write!(text, "{space}{name}:\n{}", whole(&path, indent + 2, changed));
        }
    }
    text
}

#[test]
fn every_example_of_the_page_can_be_used_and_all_together_are_a_cluster_file() {
    let text = whole("", 0, &|_| None);
    let parsed = parse("c.yaml", &text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}\n{text}"));
    assert_eq!(parsed.warnings, Vec::new());
    let serve = &parsed.spec.agent.settings["serve"];
    assert_eq!(
        serve["podResourcesSocket"],
        "/var/lib/kubelet/pod-resources/kubelet.sock"
    );
    assert_eq!(serve["tokenFile"], "/etc/bedplate/scrape-token");
    assert_eq!(parsed.spec.nodes[0].expect.link_width, Some(16));
}

#[test]
fn every_key_of_the_page_is_read() {
    for wrong in config::keys() {
        // No key takes a list of empty lists.
        let text = whole("", 0, &|key| (key == wrong).then(|| "[[]]".to_owned()));
        let (of, name) = (&wrong.of, &wrong.key);
        let Err(mistakes) = parse("c.yaml", &text) else {
            panic!("nobody looks at `{name}` of {of:?}")
        };
        let line = text.lines().position(|line| line.contains("[[]]")).expect("its line") + 1;
        let place = format!("c.yaml:{line}:");
        let told = mistakes
            .findings
            .iter()
            .any(|finding| finding.subject.starts_with(&place));
        assert!(told, "{of}.{name}: {:#?}", mistakes.findings);
    }
}

#[test]
fn the_page_of_the_cluster_file_has_every_key() {
    let mut page = String::from(
        "# The cluster file\n\nWritten by `BEDPLATE_BLESS=1 cargo test -p bedplate --test config`, from `installer/src/config/keys.yaml`, which is also what bedplate \
         knows: any other key is refused, with the nearest one. All mistakes are told at once, each with its line. `~` is your home; other paths start at the \
         file's folder unless it says otherwise.\n",
    );
    let mut tables: Vec<&str> = Vec::new();
    for key in config::keys() {
        if !tables.contains(&key.of.as_str()) {
            tables.push(&key.of);
        }
    }
    for table in tables {
        let title = if table.is_empty() {
            "At the top".to_owned()
        } else {
            format!("`{table}`")
        };
        let _ = write!(
            page,
            "\n## {title}\n\n| key | type | without it | unit | example | what it is |\n|---|---|---|---|---|---|\n"
        );
        for key in config::keys().iter().filter(|key| key.of == table) {
            let shown = |value: &Option<String>| {
                value
                    .as_ref()
                    .map_or_else(|| "–".to_owned(), |text| format!("`{text}`"))
            };
            let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
            let (default, unit, example) = (or_dash(&key.default), or_dash(&key.unit), shown(&key.example));
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | {unit} | {example} | {} |",
                key.key, key.kind, key.says
            );
        }
    }
    let section = bedplate_substrates::SECTIONS[0];
    let _ = write!(
        page,
        "\n## For `rehearse`\n\n`{section}: {{gpus: {{gpu-1: {{profile: h100-80gb-hbm3, count: 2}}}}}}` says which GPUs each machine has that `bedplate rehearse` makes; \
         `up` and `preflight` hand it over unread. `examples/three-gpu-nodes.yaml` is a whole file with it.\n\n## All keys at once\n\n```yaml\n{}```\n",
        whole("", 0, &|_| None)
    );
    golden(&beside("../docs/cluster-file.md"), &page);
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
