//! Carries out a plan: each step `inspect → change → inspect`, with intent in the journal before the side effect.
//!
//! It begins with the first step every time it is started and asks the machine what holds; the journal tells people and
//! followers, never the executor, except that a run with its terminal event is over.

use super::{ApplyError, Layout, unit};
use crate::durable;
use crate::journal::Journal;
use crate::steps::{self, Context, State, StepError};
use crate::store::ArtifactStore;
use crate::values::{self, Values};
use bedplate_protocol::{
    EventKind, Finding, Mode, NodePlan, Outcome, RunId, RunStatus, Severity, StepId, StepKind, StepSpec,
};
use rustix::fs::{FlockOperation, flock};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The executor of the run before may still be disabling its unit.
const LOCK: Duration = Duration::from_secs(30);

/// How a run ended, or that it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Now.
    Now(RunStatus),
    /// Earlier; nothing was looked at.
    Before,
}

/// Carries out the stored plan of a run and tidies up after it. For `apply --run`.
pub(crate) fn execute_stored(layout: &Layout, run: &RunId) -> Result<Ended, ApplyError> {
    let _lock = lock(layout)?;
    let path = layout.plan(run);
    let text = fs::read(&path).map_err(ApplyError::io(&path, "read"))?;
    let plan: NodePlan = serde_json::from_slice(&text).map_err(|source| ApplyError::Plan { path, source })?;
    let ended = execute(layout, &plan)?;
    durable::remove(&layout.active()).map_err(ApplyError::io(layout.active(), "removed"))?;
    // Last of all: killed before this, the unit starts again, finds the terminal event and comes here.
    unit::disable(run)?;
    Ok(ended)
}

/// Carries out a plan whose run directory exists. The run's values are gone when it has ended.
pub(crate) fn execute(layout: &Layout, plan: &NodePlan) -> Result<Ended, ApplyError> {
    let boot_id = super::boot_id(layout);
    let mut journal = Journal::open(&layout.journal(plan.mode, &plan.run), &plan.run, &boot_id)?;
    if journal.ended() {
        values::forget(layout, &plan.run)?;
        return Ok(Ended::Before);
    }
    journal.append(
        None,
        EventKind::RunStarted {
            steps: plan.steps.len(),
        },
    )?;
    let values = Values::load(layout, &plan.run)?;
    let store = ArtifactStore::new(layout.artifacts());
    let journal = RefCell::new(journal);
    let mut status = RunStatus::Done;
    for step in &plan.steps {
        if layout.cancel(plan.mode, &plan.run).exists() {
            status = RunStatus::Cancelled;
            break;
        }
        journal.borrow_mut().append(Some(&step.id), EventKind::StepStarted)?;
        let waiting = |what: &str, since| {
            let kind = EventKind::StepWaiting {
                waiting_for: values.redact(what),
                since,
            };
            // A wait that cannot be told is still a wait; the next append of the step tells of the disk.
            let _ = journal.borrow_mut().append(Some(&step.id), kind);
        };
        let context = Context {
            layout,
            mode: plan.mode,
            values: &values,
            store: &store,
            waiting: &waiting,
        };
        let outcome = redact(carry_out(step, &plan.node, &context), &values);
        let failed = matches!(outcome, Outcome::Failed { .. });
        journal
            .borrow_mut()
            .append(Some(&step.id), EventKind::StepFinished { outcome })?;
        // Looking goes on after a failure: it shows all that would change.
        if failed {
            status = RunStatus::Failed;
            if plan.mode == Mode::Change {
                break;
            }
        }
    }
    flush(plan, layout).map_err(ApplyError::io(layout.state(), "flushed"))?;
    if plan.mode == Mode::Change {
        // Before the terminal event: who reads that may send the next plan at once.
        durable::remove(&layout.active()).map_err(ApplyError::io(layout.active(), "removed"))?;
    }
    journal.borrow_mut().append(None, EventKind::RunFinished { status })?;
    values::forget(layout, &plan.run)?;
    Ok(Ended::Now(status))
}

/// Makes the programs survive a power cut; nobody may read that the run has ended before that.
fn flush(plan: &NodePlan, layout: &Layout) -> std::io::Result<()> {
    if plan.mode == Mode::Inspect {
        return Ok(());
    }
    let programs = plan.steps.iter().filter_map(|step| match &step.spec {
        StepKind::Program { path, .. } => layout.at(path).parent().map(Path::to_owned),
        _ => None,
    });
    let directories: BTreeSet<PathBuf> = programs.filter(|directory| directory.is_dir()).collect();
    durable::flush(directories.iter().map(PathBuf::as_path))
}

/// Asks the executor of this run to stop between two steps. False when the host has no such run.
pub(crate) fn request_cancel(layout: &Layout, run: &RunId) -> Result<bool, ApplyError> {
    let mut known = false;
    for mode in [Mode::Change, Mode::Inspect] {
        if layout.run(mode, run).is_dir() {
            let path = layout.cancel(mode, run);
            durable::write(&path, b"", 0o600).map_err(ApplyError::io(path, "written"))?;
            known = true;
        }
    }
    Ok(known)
}

fn carry_out(step: &StepSpec, node: &str, context: &Context<'_>) -> Outcome {
    let failed = |error: StepError| Outcome::Failed {
        finding: error.finding(&subject(node, &step.id)),
    };
    let before = match steps::inspect(&step.spec, context) {
        Err(error) => return failed(error),
        Ok(State::Holds) => return Outcome::AlreadyDone,
        Ok(State::Unknown { reason }) => return Outcome::Skipped { reason },
        Ok(State::Differs { diff, .. }) if context.mode == Mode::Inspect => return Outcome::WouldChange { diff },
        Ok(State::Differs { before, .. }) => before,
    };
    if let Err(error) = steps::change(&step.spec, context) {
        return failed(error);
    }
    match steps::inspect(&step.spec, context) {
        Err(error) => failed(error),
        Ok(State::Holds) => Outcome::Changed { before },
        Ok(State::Differs { diff, .. } | State::Unknown { reason: diff }) => {
            let message = "the step was carried out and does not hold; something else changes it back or forbids it";
            let remedy = "find out what writes it (another configuration tool, a later file of the same kind), then run `bedplate up` again";
            let finding = Finding::new(
                Severity::Error,
                "step-not-held",
                subject(node, &step.id),
                message,
                remedy,
            );
            Outcome::Failed {
                finding: finding.with_evidence(diff),
            }
        }
    }
}

fn subject(node: &str, step: &StepId) -> String {
    format!("{node}/{step}")
}

/// The last net: whatever a step or a program said, no value leaves the host with it.
fn redact(outcome: Outcome, values: &Values) -> Outcome {
    match outcome {
        Outcome::AlreadyDone => Outcome::AlreadyDone,
        Outcome::WouldChange { diff } => Outcome::WouldChange {
            diff: values.redact(&diff),
        },
        Outcome::Changed { before } => Outcome::Changed {
            before: values.redact(&before),
        },
        Outcome::Skipped { reason } => Outcome::Skipped {
            reason: values.redact(&reason),
        },
        Outcome::Failed { mut finding } => {
            finding.message = values.redact(&finding.message);
            finding.remedy = values.redact(&finding.remedy);
            for line in &mut finding.evidence {
                *line = values.redact(line);
            }
            Outcome::Failed { finding }
        }
    }
}

/// Held as long as the file is open; the kernel lets go of it when the process ends, however that happens.
fn lock(layout: &Layout) -> Result<File, ApplyError> {
    let path = layout.lock();
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(ApplyError::io(&path, "opened"))?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < LOCK => thread::sleep(Duration::from_millis(100)),
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(ApplyError::Busy),
            Err(error) => return Err(ApplyError::io(path, "locked")(error.into())),
        }
    }
}
