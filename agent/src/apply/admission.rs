//! Judges a whole plan before its first step, and stores it. A plan that is refused has changed nothing.

use super::{ApplyError, Layout, UnitState, unit_state};
use crate::store::ArtifactStore;
use crate::values::Values;
use crate::{durable, journal, steps, values};
use bedplate_protocol::{EventKind, Finding, Mode, NodePlan, PROTOCOL_MAX, PROTOCOL_MIN, RunId, Severity};
use std::fs;
use std::io;

/// How many runs stay on a host.
const KEEP: usize = 20;

/// Everything that speaks against this plan; nothing means that it may begin.
pub(crate) fn admit(plan: &NodePlan, layout: &Layout) -> Result<Vec<Finding>, ApplyError> {
    let mut findings = Vec::new();
    let mut refuse = |code: &str, message: String, remedy: &str| {
        findings.push(Finding::new(Severity::Error, code, plan.node.as_str(), message, remedy));
    };
    if !(PROTOCOL_MIN..=PROTOCOL_MAX).contains(&plan.protocol) {
        let range = format!("this agent reads {PROTOCOL_MIN} to {PROTOCOL_MAX}");
        refuse(
            "plan-protocol",
            format!("the plan is written in protocol {}; {range}", plan.protocol),
            "use the agent and the installer of one release",
        );
    }
    let newest = newest_epoch(layout)?;
    if plan.epoch.0 < newest {
        let message = format!(
            "the plan's epoch {} is older than {newest}, which this host has seen: a newer run has begun",
            plan.epoch
        );
        refuse(
            "plan-epoch",
            message,
            "if no other run is at work, check this machine's clock with `timedatectl`, then run `bedplate up` again",
        );
    }
    for step in &plan.steps {
        if let Some(reason) = steps::unsupported(&step.spec) {
            refuse(
                "plan-step",
                format!("step {}: {reason}", step.id),
                "use the agent and the installer of one release",
            );
        }
    }
    if plan.mode == Mode::Change {
        let store = ArtifactStore::new(layout.artifacts());
        for artifact in plan.artifacts().into_iter().filter(|artifact| !store.has(artifact)) {
            refuse(
                "plan-artifact",
                format!("artifact {artifact} is not in this host's store"),
                "run `bedplate up` again; it sends what is missing",
            );
        }
        let kept = Values::load(layout, &plan.run)?;
        for name in plan.values().into_iter().filter(|name| kept.get(name).is_none()) {
            refuse(
                "plan-value",
                format!("the value {name:?} has not arrived"),
                "run `bedplate up` again; it sends the values anew",
            );
        }
        let stored = layout.plan(&plan.run);
        if let Some(text) = read(&stored)?
            && serde_json::from_str::<NodePlan>(&text).is_ok_and(|other| other != *plan)
        {
            refuse(
                "plan-run",
                format!("run {} on this host has another plan", plan.run),
                "give each plan a run of its own",
            );
        }
    }
    if let Some(active) = active_run(layout)?
        && active != plan.run
    {
        let remedy = format!("wait for it: `journalctl -fu bedplate-apply@{active}`");
        refuse(
            "run-active",
            format!("run {active} is being carried out on this host"),
            &remedy,
        );
    }
    Ok(findings)
}

/// The run that is being carried out now. One whose unit has died is not.
pub(crate) fn active_run(layout: &Layout) -> Result<Option<RunId>, ApplyError> {
    let Some(run) = read(&layout.active())?.and_then(|text| RunId::new(text.trim()).ok()) else {
        return Ok(None);
    };
    Ok((unit_state(&run)? == UnitState::Running).then_some(run))
}

/// Stores an admitted plan, its epoch and the name of its run.
pub(crate) fn keep_plan(plan: &NodePlan, layout: &Layout) -> Result<(), ApplyError> {
    let dir = layout.run(plan.mode, &plan.run);
    durable::directory(&dir, 0o700).map_err(ApplyError::io(&dir, "created"))?;
    if plan.mode == Mode::Inspect {
        return Ok(());
    }
    let write = |path: std::path::PathBuf, text: &[u8]| {
        durable::write(&path, text, 0o600).map_err(ApplyError::io(path, "written"))
    };
    let path = layout.plan(&plan.run);
    let text = serde_json::to_vec(plan).map_err(|source| ApplyError::Plan {
        path: path.clone(),
        source,
    })?;
    write(layout.epoch(), plan.epoch.to_string().as_bytes())?;
    write(path, &text)?;
    write(layout.active(), plan.run.as_str().as_bytes())
}

/// Removes all but the newest runs and the values that they left; never one that has not ended.
pub(crate) fn prune(layout: &Layout, current: &RunId) -> Result<(), ApplyError> {
    let dir = layout.runs(Mode::Change);
    let mut runs = Vec::new();
    for entry in fs::read_dir(&dir).map_err(ApplyError::io(&dir, "listed"))? {
        let entry = entry.map_err(ApplyError::io(&dir, "listed"))?;
        let begun = entry
            .metadata()
            .and_then(|there| there.modified())
            .map_err(ApplyError::io(entry.path(), "read"))?;
        if let Some(run) = entry.file_name().to_str().and_then(|name| RunId::new(name).ok()) {
            runs.push((begun, run));
        }
    }
    runs.sort();
    let old = runs.len().saturating_sub(KEEP);
    for (_, run) in runs.into_iter().take(old).filter(|(_, run)| run != current) {
        let path = layout.run(Mode::Change, &run);
        fs::remove_dir_all(&path).map_err(ApplyError::io(path, "removed"))?;
        values::forget(layout, &run)?;
    }
    Ok(())
}

/// Whether the run's journal has its terminal event.
pub(super) fn has_ended(layout: &Layout, run: &RunId) -> Result<bool, ApplyError> {
    let events = journal::read(&layout.journal(Mode::Change, run))?;
    Ok(events
        .last()
        .is_some_and(|event| matches!(event.kind, EventKind::RunFinished { .. })))
}

fn newest_epoch(layout: &Layout) -> Result<u64, ApplyError> {
    // A file that holds no number protects nothing and would lock the host for ever.
    Ok(read(&layout.epoch())?
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0))
}

fn read(path: &std::path::Path) -> Result<Option<String>, ApplyError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(ApplyError::io(path, "read")),
    }
}
