//! The table of reasons for people: `docs/reasons.md`, and what `bedplate-agent run --reasons` prints. Called by that verb.

use super::Mode;
use super::reasons::{CONDITIONS, Clear, REASONS, Reason, Sense};
use std::fmt::Write as _;

/// Markdown.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "# Conditions and reasons\n\nWritten by `bedplate-agent run --reasons`, from `agent/src/health/reasons.yaml`. Codes and what they say: \
         [findings.md](findings.md).\n\n## Conditions of a node\n\n`True` means that the problem is there, as node-problem-detector has it; `Unknown` that \
         nobody could look. Its reason is then the finding that keeps the agent from looking, as soon as there is one (`KernelLogUnreadable`, \
         `NvidiaLibraryMissing`), else `NotObservedYet` before the first look and `Silent` after three intervals without one.\n\n| type | what it says | looked for in | reason while it is `False` |\n|---|---|---|---|\n",
    );
    for kind in CONDITIONS {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | `{}` |",
            kind.name,
            kind.says,
            sense(kind.sense),
            kind.fine_reason
        );
    }
    text.push_str(
        "\n## What becomes of each code\n\nFindings of severity error make their condition `True`, and so do warnings where it says so; all others, and those that \
         are only watched, are Events and metrics. The verdict on GPUs and node is made of errors alone. `*` stands for any rest, the longest match counts, and `*` alone is a code that no row names. A finding that comes \
         back within an hour needs twice the good observations each time, at most 32 times as many. An operator changes for a time what becomes of a code, of \
         all with a beginning (`xid-*`), of one GPU or of one XID, in `checks:` of the agent's configuration ([agent.md](agent.md)).\n\n| code | condition | mode | holds after | ends | runbook |\n|---|---|---|---|---|---|\n",
    );
    for row in REASONS {
        let unread = match (row.unread, row.warns) {
            (true, _) => " (`Unknown`)",
            (_, true) => " (a warning too)",
            _ => "",
        };
        let _ = writeln!(
            text,
            "| `{}` | `{}`{unread} | {} | {} | {} | [{}](runbooks/{}.md) |",
            row.code,
            row.condition,
            mode(row.mode),
            observations(row.raise),
            ends(row),
            row.runbook,
            row.runbook
        );
    }
    text
}

fn sense(sense: Sense) -> &'static str {
    match sense {
        Sense::Host => "the host's files",
        Sense::WholeHost => "the host once a minute",
        Sense::Nvml => "NVML's answer",
        Sense::Gpu => "the GPUs, through NVML",
        Sense::KernelLog => "the kernel's log",
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Monitor => "only watched",
        Mode::On => "on",
    }
}

fn observations(count: u32) -> String {
    if count == 1 {
        "1 observation".to_owned()
    } else {
        format!("{count} observations in a row")
    }
}

fn ends(row: &Reason) -> String {
    match row.clear {
        Clear::Observations(count) => format!("{} without it", observations(count)),
        Clear::Driver if row.sense == Sense::KernelLog => {
            "once the driver says that nothing is to be done, is loaded again, the GPU is reset or the node booted"
                .to_owned()
        }
        Clear::Driver => {
            "once the driver is loaded again, the GPU reset or the node booted, and it is not there".to_owned()
        }
        Clear::Reboot => "once the node is booted, and it is not there".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn docs() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs")
    }

    #[test]
    fn the_page_of_reasons_is_the_table() {
        let path = docs().join("reasons.md");
        if std::env::var_os("BEDPLATE_BLESS").is_some() {
            std::fs::write(&path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(
            page == markdown(),
            "docs/reasons.md is not the table: BEDPLATE_BLESS=1 cargo test -p bedplate-agent reasons"
        );
    }

    /// A verdict that is healthy raises no alert of GPUs and node, so a condition that warnings make `True` needs one of its own.
    #[test]
    fn a_condition_that_warnings_make_true_has_an_alert() {
        let rules = std::fs::read_to_string(docs().join("../manifests/agent/alerts-rules.yaml")).unwrap();
        for row in REASONS.iter().filter(|row| row.warns) {
            let question = format!(
                "bedplate_gpu_condition{{type=\"{}\",status=\"true\"}} == 1",
                row.condition
            );
            assert!(rules.contains(&question), "{} of {}", row.condition, row.code);
        }
    }

    /// The page of a lost GPU and the finding itself ask for the same thing first.
    #[test]
    fn the_page_of_a_lost_gpu_asks_for_a_reboot_before_the_power_is_switched() {
        let codes = crate::checks::codes::ALL.iter();
        let lost = codes.clone().find(|code| code.name == "gpu-lost").unwrap();
        assert_eq!(lost.action, Some(bedplate_protocol::RecommendedAction::Reboot));
        let page = std::fs::read_to_string(docs().join("runbooks/gpu-lost.md")).unwrap();
        let (_, steps) = page.split_once("## What to do").unwrap();
        let (reboot, power) = (steps.find("Reboot"), steps.find("power"));
        assert!(reboot.is_some() && reboot < power, "{steps}");
    }

    #[test]
    fn every_runbook_is_a_page_that_names_its_codes() {
        for row in REASONS.iter().filter(|row| row.code != "*") {
            let path = docs().join("runbooks").join(format!("{}.md", row.runbook));
            let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(
                page.contains(&format!("`{}`", row.code)),
                "{} does not name {}",
                path.display(),
                row.code
            );
        }
    }
}
