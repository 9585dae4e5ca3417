//! One look at the running host: its facts, what the kernel's log has of this boot, and the judgement.
//!
//! Reads only. Called by the verbs `check`, `facts --expectation` and `session`; the daemon looks again and again and keeps its
//! own history, but judges by the same checks.

use crate::checks::{self, History, Observation};
use crate::{gpu, host, xid};
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{NodeFacts, Verdict};
use std::path::Path;
use std::time::Duration;

/// Reading a full log takes milliseconds; one that gives its records slowly must not hold up the verdict.
const LOG_LIMIT: Duration = Duration::from_secs(2);

/// The judgement on facts that were just read on the running host.
pub(crate) fn judge(facts: &NodeFacts, expect: Option<&Expectation>) -> Verdict {
    checks::judge(&Observation {
        facts,
        expect,
        history: &history(facts),
    })
}

/// Facts with a chosen library and deadline for NVML, and the judgement.
pub(crate) fn look(pass: &gpu::Pass, expect: Option<&Expectation>) -> Verdict {
    judge(&host::read_facts_with(Path::new("/"), pass), expect)
}

fn history(facts: &NodeFacts) -> History {
    match xid::backlog(Path::new(xid::KERNEL_LOG), &facts.boot.boot_id, LOG_LIMIT) {
        Ok(mut ledger) => {
            for gpu in &facts.nvml.gpus {
                if let (Some(address), Some(uuid)) = (&gpu.pci_address, &gpu.uuid) {
                    ledger.learn(address, uuid);
                }
            }
            History {
                xids: ledger.present(),
                ..History::default()
            }
        }
        Err(error) => History {
            kernel_log_unreadable: Some(error.to_string()),
            ..History::default()
        },
    }
}
