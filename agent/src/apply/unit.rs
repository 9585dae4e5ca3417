//! The systemd unit of a run: it goes on when the connection drops, and again after a kill or a reboot.

use super::{ApplyError, Layout, admission};
use crate::command::Command;
use crate::durable;
use bedplate_protocol::{Mode, RunId};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TEMPLATE: &str = "/etc/systemd/system/bedplate-apply@.service";
/// The agent of a run is the one that admitted its plan, whatever is installed later.
const TEXT: &str = "\
# Written by bedplate; one instance for each run, enabled only while its run has not ended.
[Unit]
Description=bedplate: carry out run %i
After=local-fs.target network.target
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart=/var/lib/bedplate/runs/%i/bedplate-agent apply --run %i
Restart=on-abnormal
RestartSec=1

[Install]
WantedBy=multi-user.target
";
const SYSTEMCTL: Duration = Duration::from_mins(1);

/// What systemd says of a run's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitState {
    /// At work, or between two attempts.
    Running,
    /// Not at work, without a fault.
    Inactive,
    /// Ended badly or was started too often.
    Failed,
}

pub(super) fn name(run: &RunId) -> String {
    format!("bedplate-apply@{run}.service")
}

/// Asks systemd.
pub(crate) fn unit_state(run: &RunId) -> Result<UnitState, ApplyError> {
    let shown = Command::new("systemctl", ["show", "-pActiveState", "--value", &name(run)]).run()?;
    Ok(match shown.stdout.trim() {
        "active" | "activating" | "reloading" | "deactivating" => UnitState::Running,
        "failed" => UnitState::Failed,
        _ => UnitState::Inactive,
    })
}

/// Starts a stored plan's unit, now and after a reboot. A run that has ended already is left as it is.
pub(crate) fn start(layout: &Layout, run: &RunId) -> Result<(), ApplyError> {
    if admission::has_ended(layout, run)? {
        return Ok(());
    }
    let template = layout.at(TEMPLATE);
    if fs::read_to_string(&template).ok().as_deref() != Some(TEXT) {
        durable::write(&template, TEXT.as_bytes(), 0o644).map_err(ApplyError::io(&template, "written"))?;
    }
    let link = layout.run(Mode::Change, run).join("bedplate-agent");
    durable::remove(&link).map_err(ApplyError::io(&link, "replaced"))?;
    symlink(own_file()?, &link).map_err(ApplyError::io(&link, "created"))?;
    systemctl(&["daemon-reload"])?;
    // Forgets earlier failures of this run, so that its start limit begins anew; an unknown unit has none to forget.
    Command::new("systemctl", ["reset-failed", &name(run)]).output()?;
    systemctl(&["enable", "--now", &name(run)])
}

/// The run does not begin again after a reboot. Does not stop it.
pub(super) fn disable(run: &RunId) -> Result<(), ApplyError> {
    systemctl(&["disable", &name(run)])
}

/// Where this executable lies. One that was unlinked, as preflight's is, cannot be a unit's.
pub(crate) fn own_file() -> Result<PathBuf, ApplyError> {
    let itself = Path::new("/proc/self/exe");
    let path = fs::read_link(itself).map_err(ApplyError::io(itself, "read"))?;
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ApplyError::NotInstalled { path }),
        Err(source) => Err(ApplyError::Io {
            path,
            action: "read",
            source,
        }),
        Ok(_) => Ok(path),
    }
}

fn systemctl(args: &[&str]) -> Result<(), ApplyError> {
    Command::new("systemctl", args.iter().chain(&["--no-ask-password"]))
        .deadline(SYSTEMCTL)
        .run()?;
    Ok(())
}
