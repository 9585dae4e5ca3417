//! What an agent tells while it executes a plan: the only bridge from work to screen, and the journal's lines.

use crate::{Finding, RunId, StepId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of a run's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The run it belongs to.
    pub run: RunId,
    /// Counts from 1 without a gap within a run on a host; what a follower names to go on where it was.
    pub seq: u64,
    /// `/proc/sys/kernel/random/boot_id` when it was written.
    pub boot_id: String,
    /// When, by the host's clock.
    pub at: Timestamp,
    /// Which step, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Kinds that this build does not know survive as [`EventKind::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The agent begins (or begins again, after a reboot or a kill) with this many steps.
    RunStarted {
        /// How many steps the plan has.
        steps: usize,
    },
    /// Intent: the step is about to look and perhaps to change.
    StepStarted,
    /// The step waits.
    StepWaiting {
        /// For what.
        waiting_for: String,
        /// Since when.
        since: Timestamp,
    },
    /// The step has ended.
    StepFinished {
        /// How.
        outcome: Outcome,
    },
    /// Terminal: nothing follows in this run.
    RunFinished {
        /// How.
        status: RunStatus,
    },
    /// Written by a newer agent.
    #[serde(other)]
    Unknown,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// It held already; nothing was touched.
    AlreadyDone,
    /// Inspect mode: what would change.
    WouldChange {
        /// For people: what is and what should be.
        diff: String,
    },
    /// It holds now.
    Changed {
        /// For people: what was there before.
        before: String,
    },
    /// Not done, and that is right.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It does not hold.
    Failed {
        /// Why, and the cure.
        finding: Finding,
    },
}

/// How a run ended on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Every step holds.
    Done,
    /// A step failed; the steps after it were not begun.
    Failed,
    /// Stopped between two steps because somebody asked.
    Cancelled,
}
