//! One look at the running host: its facts, what the kernel's log has of this boot, and the judgement.
//!
//! Reads only. Called by the verbs `check`, `facts --expectation` and `session`; the daemon looks again and again and keeps its
//! own history, but judges by the same checks, and as little as it does one look call a GPU healthy whose XIDs it cannot have seen.

use crate::checks::{self, History, Observation};
use crate::xid::Backlog;
use crate::{gpu, host, xid};
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{Health, NodeFacts, Severity, Verdict};
use std::path::Path;
use std::time::Duration;

/// Reading a full log takes milliseconds; one that gives its records slowly must not hold up the verdict.
const LOG_LIMIT: Duration = Duration::from_secs(2);

/// The judgement on facts that were just read on the running host.
pub(crate) fn judge(facts: &NodeFacts, expect: Option<&Expectation>) -> Verdict {
    judge_with(facts, expect, &history(facts))
}

/// Facts with a chosen library and deadline for NVML, and the judgement.
pub(crate) fn look(pass: &gpu::Pass, expect: Option<&Expectation>) -> Verdict {
    judge(&host::read_facts_with(Path::new("/"), pass), expect)
}

/// What the checks say; and where there are GPUs and the kernel's log was not read, that nothing is proven healthy. The daemon warns
/// of that and waits for it to be over. One look has only its exit code, its first line and whether it blocks, so that here the
/// finding weighs as much as any other that says "could not be read".
fn judge_with(facts: &NodeFacts, expect: Option<&Expectation>, history: &History) -> Verdict {
    let mut verdict = checks::judge(&Observation { facts, expect, history });
    let any = !verdict.gpus.is_empty() || !facts.gpus_on_pci().is_empty();
    if any && history.kernel_log_unreadable.is_some() {
        let unread = checks::codes::KERNEL_LOG_UNREADABLE.name;
        for finding in verdict.findings.iter_mut().filter(|finding| finding.code == unread) {
            finding.severity = Severity::Error;
        }
        verdict.health = verdict.health.max(Health::Unknown);
        for gpu in &mut verdict.gpus {
            gpu.health = gpu.health.max(Health::Unknown);
        }
    }
    verdict
}

fn history(facts: &NodeFacts) -> History {
    let path = Path::new(xid::KERNEL_LOG);
    match xid::backlog(path, &facts.boot.boot_id, LOG_LIMIT) {
        Ok(log) => history_of(facts, log, path),
        Err(error) => History {
            kernel_log_unreadable: Some(error.to_string()),
            ..History::default()
        },
    }
}

/// What was read of the log counts, also where that is not all.
fn history_of(facts: &NodeFacts, log: Backlog, path: &Path) -> History {
    let Backlog {
        mut ledger,
        whole,
        lost,
    } = log;
    for gpu in &facts.nvml.gpus {
        if let (Some(address), Some(uuid)) = (&gpu.pci_address, &gpu.uuid) {
            ledger.learn(address, uuid);
        }
    }
    let cut_short = || {
        let seconds = LOG_LIMIT.as_secs();
        format!(
            "{}: not read to its end within {seconds} s; check again, and find what fills it",
            path.display()
        )
    };
    History {
        xids: ledger.present(),
        kernel_log_unreadable: (!whole).then(cut_short),
        kernel_log_lost: lost,
        ..History::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Tree, read_tree};
    use crate::xid::Ledger;
    use std::path::PathBuf;

    /// The host of `tests/fixtures/<name>`.
    fn facts(name: &str) -> NodeFacts {
        let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name);
        let nvml = serde_json::from_str(&std::fs::read_to_string(fixture.join("nvml.json")).unwrap()).unwrap();
        read_tree(Tree::new(&fixture.join("root")), nvml)
    }

    fn judged(name: &str, whole: bool, lost: u64) -> Verdict {
        let facts = facts(name);
        let log = Backlog {
            ledger: Ledger::new("boot"),
            whole,
            lost,
        };
        let history = history_of(&facts, log, Path::new("/dev/kmsg"));
        judge_with(&facts, None, &history)
    }

    fn codes(verdict: &Verdict) -> Vec<&str> {
        verdict.findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    #[test]
    fn no_gpu_is_called_healthy_where_the_kernel_log_was_not_read_to_its_end() {
        let whole = judged("two-h100", true, 0);
        assert_eq!((whole.health, codes(&whole)), (Health::Healthy, vec![]));
        let cut = judged("two-h100", false, 0);
        assert_eq!(
            (cut.health, codes(&cut)),
            (Health::Unknown, vec!["kernel-log-unreadable"])
        );
        assert!(
            cut.gpus.iter().all(|gpu| gpu.health == Health::Unknown),
            "{:?}",
            cut.gpus
        );
        let finding = &cut.findings[0];
        assert!(
            finding.blocks() && finding.evidence[0].contains("within 2 s"),
            "{finding}"
        );
    }

    #[test]
    fn a_lost_gpu_is_a_problem_whatever_the_log_and_a_host_without_one_misses_no_xid() {
        let lost = judged("one-lost", false, 0);
        assert_eq!(lost.health, Health::Problem);
        let none = judged("no-gpu", false, 0);
        assert_eq!(
            (none.health, codes(&none)),
            (Health::Healthy, vec!["kernel-log-unreadable"])
        );
        assert!(!none.findings[0].blocks());
    }

    #[test]
    fn records_that_were_overwritten_are_said_and_leave_the_rest_as_it_is() {
        let verdict = judged("two-h100", true, 3);
        assert_eq!(
            (verdict.health, codes(&verdict)),
            (Health::Healthy, vec!["kernel-log-lost"])
        );
    }
}
