//! A systemd unit: its file, that it starts at boot, that it runs, and that it runs with the files it reads.

use super::{Context, State, StepError, file};
use crate::command::Command;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Units of `Type=notify` answer when they are ready.
const START: Duration = Duration::from_mins(2);
/// How long a unit that was started may take to be active.
const ACTIVE: Duration = Duration::from_secs(30);

/// What must hold of a unit; the fields of the plan's step.
pub(super) struct Unit<'a> {
    pub(super) name: &'a str,
    pub(super) content: &'a str,
    pub(super) restart_on: &'a [String],
    pub(super) active: bool,
}

impl Unit<'_> {
    pub(super) fn inspect(&self, context: &Context<'_>) -> Result<State, StepError> {
        if let state @ State::Differs { .. } =
            file::compare(&self.file(context), 0o644, self.content.as_bytes(), false)?
        {
            return Ok(state);
        }
        let properties = self.properties()?;
        if let Some(difference) = reload(&properties).or_else(|| enablement(&properties)) {
            return Ok(State::differs(difference, "enabled, as its file says"));
        }
        if self.active && !runs(&properties) {
            return Ok(State::differs(property(&properties, "ActiveState"), "active"));
        }
        Ok(match self.stale(&properties, context) {
            Some(path) => State::differs(format!("started before {path} was written"), "started after"),
            None => State::Holds,
        })
    }

    pub(super) fn change(&self, context: &Context<'_>) -> Result<(), StepError> {
        file::install(&self.file(context), 0o644, self.content.as_bytes())?;
        let mut properties = self.properties()?;
        let stale = self.stale(&properties, context).is_some();
        if reload(&properties).is_some() {
            self.systemctl(&["daemon-reload"])?;
            properties = self.properties()?;
        }
        if enablement(&properties).is_some() {
            self.systemctl(&["enable", self.name])?;
        }
        let running = runs(&properties) || property(&properties, "ActiveState") == "activating";
        if (running && stale) || (self.active && !runs(&properties)) {
            // A unit that failed too often is not started before somebody says that it was looked at.
            self.systemctl(&["reset-failed", self.name])
                .or_else(|error| match error {
                    StepError::Command {
                        source: crate::command::CommandError::Status { .. },
                        ..
                    } => Ok(()),
                    other => Err(other),
                })?;
            self.systemctl(&["restart", self.name])?;
        }
        if !self.active {
            return Ok(());
        }
        context.wait(
            &format!("{} to be active", self.name),
            ACTIVE,
            Duration::from_millis(100),
            &self.cure(),
            || {
                let properties = self.properties().map_err(|error| error.to_string())?;
                if runs(&properties) {
                    Ok(())
                } else {
                    Err(property(&properties, "ActiveState").to_owned())
                }
            },
        )
    }

    fn file(&self, context: &Context<'_>) -> PathBuf {
        context.at("/etc/systemd/system").join(self.name)
    }

    fn cure(&self) -> String {
        format!(
            "look at `systemctl status {0}` and `journalctl -u {0} -n 50`",
            self.name
        )
    }

    fn systemctl(&self, args: &[&str]) -> Result<(), StepError> {
        let command = Command::new("systemctl", args.iter().chain(&["--no-ask-password"])).deadline(START);
        command.run().map(drop).map_err(StepError::command(self.cure()))
    }

    fn properties(&self) -> Result<BTreeMap<String, String>, StepError> {
        let names = "-pLoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic";
        let shown = Command::new("systemctl", ["show", names, self.name]).run();
        let shown = shown.map_err(StepError::command(self.cure()))?.stdout;
        let pairs = shown.lines().filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The first file that is newer than the start of the running unit.
    fn stale(&self, properties: &BTreeMap<String, String>, context: &Context<'_>) -> Option<String> {
        let entered: u64 = property(properties, "ActiveEnterTimestampMonotonic").parse().ok()?;
        if entered == 0 || !runs(properties) {
            return None;
        }
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
        let started = SystemTime::now().checked_sub(now.checked_sub(Duration::from_micros(entered))?)?;
        let own = self.file(context);
        let others = self.restart_on.iter().map(|path| context.at(path));
        let newer = |path: &PathBuf| {
            fs::metadata(path)
                .and_then(|there| there.modified())
                .is_ok_and(|at| at > started)
        };
        std::iter::once(own)
            .chain(others)
            .find(newer)
            .map(|path| path.display().to_string())
    }
}

fn property<'a>(properties: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    properties.get(name).map_or("", String::as_str)
}

fn runs(properties: &BTreeMap<String, String>) -> bool {
    matches!(property(properties, "ActiveState"), "active" | "reloading")
}

fn reload(properties: &BTreeMap<String, String>) -> Option<&'static str> {
    if property(properties, "NeedDaemonReload") == "yes" {
        return Some("systemd has read an older unit file");
    }
    (property(properties, "LoadState") != "loaded").then_some("systemd has not loaded it")
}

fn enablement(properties: &BTreeMap<String, String>) -> Option<&'static str> {
    // A unit without [Install] is started by others and is static, generated or an alias.
    match property(properties, "UnitFileState") {
        "enabled" | "static" | "alias" | "generated" | "indirect" => None,
        "masked" | "masked-runtime" => Some("masked"),
        _ => Some("not enabled"),
    }
}
