//! Many hosts at once: meet each, hand it its plan, follow what it does.
//!
//! A lane is one host's run. Lanes never wait for each other inside this room; the verbs in `cli/` are the barrier between
//! stages. A host that cannot go on is named with its finding while the others do.

pub mod lane;
pub mod stage;

use bedplate_protocol::{Event, EventKind, Finding, Outcome, RunStatus, Severity, StepId};
use serde::Serialize;

/// What one host's plan came to, step by step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// Steps that held already.
    pub unchanged: usize,
    /// Steps that did not hold and do now: which, and what was there before.
    pub changed: Vec<(StepId, String)>,
    /// Steps that would change, in inspect mode.
    pub would_change: Vec<(StepId, String)>,
    /// Why the host could not go on.
    pub failed: Vec<Finding>,
}

impl StageReport {
    /// Takes in one event.
    pub fn add(&mut self, event: &Event) {
        let outcome = match &event.kind {
            EventKind::StepFinished { outcome } => outcome,
            EventKind::RunFinished {
                status: RunStatus::Cancelled,
            } => {
                self.failed.push(cancelled(event));
                return;
            }
            _ => return,
        };
        let step = event
            .step
            .clone()
            .unwrap_or_else(|| StepId::new("run", event.run.as_str()));
        match outcome {
            Outcome::AlreadyDone | Outcome::Skipped { .. } => self.unchanged += 1,
            Outcome::Changed { before } => self.changed.push((step, before.clone())),
            Outcome::WouldChange { diff } => self.would_change.push((step, diff.clone())),
            Outcome::Failed { finding } => self.failed.push(finding.clone()),
        }
    }

    /// The report of a host that went through two stages.
    pub fn extend(&mut self, other: Self) {
        self.unchanged += other.unchanged;
        self.changed.extend(other.changed);
        self.would_change.extend(other.would_change);
        self.failed.extend(other.failed);
    }
}

fn cancelled(event: &Event) -> Finding {
    Finding::new(
        Severity::Error,
        "run-cancelled",
        event.run.as_str(),
        "somebody stopped this host's run between two steps",
        "run the same command again: it goes on from there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedplate_protocol::RunId;

    fn event(kind: EventKind) -> Event {
        let run = RunId::new("1-found").unwrap();
        Event {
            run,
            seq: 1,
            boot_id: "b".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            step: Some(StepId::new("file", "/a")),
            kind,
        }
    }

    #[test]
    fn a_cancelled_run_is_never_a_node() {
        let mut report = StageReport::default();
        report.add(&event(EventKind::RunFinished {
            status: RunStatus::Cancelled,
        }));
        assert_eq!(report.failed[0].code, "run-cancelled");
    }

    #[test]
    fn what_changed_and_what_held_are_told_apart() {
        let mut report = StageReport::default();
        report.add(&event(EventKind::StepFinished {
            outcome: Outcome::AlreadyDone,
        }));
        report.add(&event(EventKind::StepFinished {
            outcome: Outcome::Changed { before: "0".to_owned() },
        }));
        assert_eq!((report.unchanged, report.changed.len(), report.failed.len()), (1, 1, 0));
    }
}
