//! `docs/findings.md`: made of the tables of codes, and no code in the sources is left out of it.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate::{codes, config, fleet, preflight};
use bedplate_protocol::Severity;
use std::fmt::Write;
use std::path::Path;

/// A code, its weight, what it says.
type Row<'a> = (&'a str, Severity, &'a str);

#[derive(serde::Deserialize)]
struct Reasons {
    conditions: Vec<Condition>,
}

#[derive(serde::Deserialize)]
struct Condition {
    r#type: String,
    says: String,
}

#[test]
fn the_page_of_findings_lists_every_code() {
    let reasons = include_str!("../../agent/src/health/reasons.yaml");
    let reasons: Reasons = serde_saphyr::from_str(reasons).expect("the agent is built from this file");
    let of_conditions = reasons
        .conditions
        .iter()
        .map(|one| (fleet::code(&one.r#type), &one.says));
    let of_conditions: Vec<(String, &String)> = of_conditions.collect();
    let conditions: Vec<Row<'_>> = of_conditions
        .iter()
        .map(|(code, says)| (code.as_str(), Severity::Error, says.as_str()))
        .collect();
    let mut page = String::from(
        "# Findings\n\nWritten by `BEDPLATE_BLESS=1 cargo test -p bedplate --test findings`. Accept one by its code: `accept: [{code: …, reason: …}]`.\n",
    );
    let sections: [(&str, &[Row<'_>]); 8] = [
        ("Hosts, before anything is changed", preflight::CODES),
        ("The cluster file", config::CODES),
        ("Runs: `up`, `preflight`, `rehearse`", codes::OF_RUNS),
        ("Machines that `rehearse` makes", bedplate_substrates::CODES),
        ("Plans, as a host's agent carries them out", codes::OF_PLANS),
        ("`status`", codes::OF_STATUS),
        ("`status`: conditions of the agent that are not `False`", &conditions),
        ("The agent's own settings and files", codes::OF_AGENTS),
    ];
    for (title, codes) in sections {
        let _ = write!(
            page,
            "\n## {title}\n\n| code | severity | what it says |\n|---|---|---|\n"
        );
        for (code, severity, meaning) in codes {
            let _ = writeln!(page, "| `{code}` | {severity} | {meaning} |");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    // The page's end is the agent's and has the same test there.
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((_, end)) = found.split_once("\n## GPUs and nodes\n") {
        let _ = write!(page, "\n## GPUs and nodes\n{end}");
    }
    if std::env::var_os("BEDPLATE_BLESS").is_some() {
        std::fs::write(&path, &page).expect("docs/findings.md can be written");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), page);
    assert!(
        preflight::CODES
            .iter()
            .any(|(_, severity, _)| *severity == Severity::Warning)
    );
}

/// What stands in quotes with hyphens in files that make findings, and is no code.
const NO_CODES: &[&str] = &[
    "active-run",
    "bedplate-agent",
    "bedplate-agent-install",
    "bedplate-gate-gpu",
    "bedplate-gate-network",
    "bedplate-gpu",
    "bedplate-network",
    "bedplate-system",
    "bootstrap-token",
    "certificate-authority-data",
    "cluster-info",
    "control-plane",
    "cuda-drivers",
    "daemon-reload",
    "ecdsa-sha2-nistp",
    "follow-ended",
    "is-active",
    "kebab-case",
    "kernel-log",
    "kube-proxy",
    "kube-public",
    "kube-system",
    "kubeadm-config",
    "kubelet-config",
    "kubelet-start",
    "link-width",
    "mark-control-plane",
    "masked-runtime",
    "memory-gib",
    "no-store",
    "not-found",
    "nvidia-open",
    "nvml-events",
    "nvml-worker",
    "openssh-client",
    "power-cycle",
    "reset-failed",
    "reset-gpu",
    "restart-app",
    "ssh-ed25519",
    "ssh-keygen",
    "ssh-rsa",
    "systemd-container",
    "systemd-nspawn",
    "util-linux",
    "wait-control-plane",
];

/// The texts in quotes that look like a code: `gpu-lost`.
fn hyphenated(source: &str) -> Vec<&str> {
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let quoted = source.split('"').filter(|text| text.contains('-') && text.len() < 40);
    quoted.filter(|text| text.split('-').all(letters)).collect()
}

#[test]
fn no_code_in_the_sources_is_left_out_of_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/findings.md")).expect("the page");
    let mut folders: Vec<_> = ["installer/src", "installer/ssh/src", "substrates/src", "agent/src"]
        .map(|folder| root.join(folder))
        .into();
    let (mut seen, mut left_out) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // The checks' codes are constants, and the agent has a test of its own that the page has them.
            if path.is_dir() && !["tests", "checks"].contains(&name.as_str()) {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let makes_findings = ["Finding::new", "StepError::Stands", "refusal(", "error("];
            if name == "tests.rs" || !makes_findings.iter().any(|makes| code.contains(makes)) {
                continue;
            }
            for code in hyphenated(code) {
                seen += 1;
                if !NO_CODES.contains(&code) && !page.contains(&format!("| `{code}` |")) {
                    left_out.push(format!("{}: {code}", path.display()));
                }
            }
            let gates = code.split("gate::failed").count() > 1;
            let names = code.split("NAME: &str = \"").skip(1);
            let names = names.chain(code.split("SHARING: &str = \"").skip(1));
            for name in names.filter(|_| gates) {
                let gate = format!("| `gate-{}` |", name.split('"').next().unwrap_or_default());
                assert!(page.contains(&gate), "{gate}");
            }
        }
    }
    assert!(seen > 150, "{seen}");
    assert_eq!(left_out, Vec::<String>::new());
}
