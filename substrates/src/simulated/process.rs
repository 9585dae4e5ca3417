//! Processes that were started here, known by pid and start time, so that a reused pid is never killed.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A guess with room: a killed process goes within milliseconds unless the kernel holds it.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A process as the kernel knew it when it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pid: i32,
    /// Field 22 of `/proc/<pid>/stat`, in clock ticks since boot (proc(5)).
    started: u64,
}

/// State, parent and start time of a process (proc(5)); the name in field 2 may hold anything, so fields count from its end.
fn stat(pid: i32) -> Option<(String, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(((*fields.first()?).to_owned(), fields.get(19)?.parse().ok()?))
}

impl Process {
    /// Reads `<pid> <start time>` as the supervisor script wrote it.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }

    /// Whether it still runs. A zombie has ended.
    pub(super) fn runs(self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && state != "Z" && state != "X")
    }

    /// Its view of the file system, from outside.
    pub(super) fn root(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid))
    }

    /// Ends it at once and waits until it is gone; its number and the seconds that were waited if it does not go.
    pub(super) fn end(self) -> Result<(), (i32, u64)> {
        let since = Instant::now();
        self.kill();
        while self.runs() {
            if since.elapsed() > GONE_WITHIN {
                return Err((self.pid, GONE_WITHIN.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends it at once, if it is still the one that was recorded.
    pub(super) fn kill(self) {
        if self.runs() {
            kill(self.pid);
        }
    }
}

/// Ends a process at once. One that is gone already is what was wanted.
pub(super) fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}
