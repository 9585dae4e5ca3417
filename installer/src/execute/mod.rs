//! Many hosts at once: meet each, hand it its plan, follow what it does.
//!
//! A lane is one host's run. Lanes never wait for each other inside this room; the verbs in `cli/` are the barrier between
//! stages. A host that cannot go on is named with its finding while the others do.

pub mod lane;
pub mod stage;

use bedplate_protocol::{Event, Finding, Outcome, StepId};
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
        let bedplate_protocol::EventKind::StepFinished { outcome } = &event.kind else {
            return;
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
