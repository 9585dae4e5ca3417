//! The side of the NVML worker that has a deadline. Called by [`super::read`] only.
//!
//! Starts the worker, collects its lines, and on expiry asks it to end, then makes it end, and in no case waits for a
//! process that the kernel does not let go. There is at most one stuck worker: while it lives, no second is started.

use super::{wire::Line, without};
use bedplate_protocol::facts::{GpuFacts, NvmlCallError, NvmlFacts, NvmlStatus};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a pass may take unless somebody asks for more: calls take well under a second on a healthy eight-GPU machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// Between asking a worker to end and making it.
const GRACE: Duration = Duration::from_secs(2);
/// After SIGKILL: a process that is still there then is inside the kernel and may stay for ever.
const REAP: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(10);

/// A worker that did not die, with the call it is stuck in.
static STUCK: Mutex<Option<(Child, String)>> = Mutex::new(None);

/// One pass over NVML by a worker.
pub(super) fn read(library: &Path, deadline: Duration) -> NvmlFacts {
    let mut stuck = STUCK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((child, call)) = stuck.as_mut() {
        if let Ok(None) = child.try_wait() {
            return without(NvmlStatus::Unresponsive {
                call: call.clone(),
                after_seconds: deadline.as_secs(),
            });
        }
        *stuck = None;
    }
    let started = Command::new("/proc/self/exe")
        .arg("nvml-worker")
        .arg("--library")
        .arg(library)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            return without(NvmlStatus::WorkerDied {
                detail: format!("it could not be started: {error}"),
            });
        }
    };
    let (facts, ended) = collect(&mut child, deadline);
    if !ended {
        let call = match &facts.status {
            NvmlStatus::Unresponsive { call, .. } => call.clone(),
            _ => "the end of the process".to_owned(),
        };
        *stuck = Some((child, call));
    }
    facts
}

/// What the worker said, and whether its process is gone.
fn collect(child: &mut Child, deadline: Duration) -> (NvmlFacts, bool) {
    let lines = follow(child);
    let expiry = Instant::now() + deadline;
    let mut pass = Collected::default();
    loop {
        match lines.recv_timeout(expiry.saturating_duration_since(Instant::now())) {
            Ok(line) => pass.take(line),
            Err(RecvTimeoutError::Timeout) => {
                let ended = end(child);
                return (pass.unresponsive(deadline), ended);
            }
            Err(RecvTimeoutError::Disconnected) => {
                // Its output is closed, so it is ending; a destructor of the library may still hang.
                let status = wait(child, GRACE);
                let ended = status.is_some() || end(child);
                return (pass.finish(status), ended);
            }
        }
    }
}

/// The worker's lines, read by a thread of their own so that a silent worker cannot hold up the caller.
fn follow(child: &mut Child) -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        std::thread::spawn(move || {
            for text in BufReader::new(pipe).lines() {
                let parsed = text.ok().and_then(|text| serde_json::from_str(&text).ok());
                // A line that is none (the library printed something) ends nothing; a receiver that is gone does.
                if let Some(line) = parsed
                    && sender.send(line).is_err()
                {
                    return;
                }
            }
        });
    }
    lines
}

/// SIGTERM, then SIGKILL; whether the process is gone.
fn end(child: &mut Child) -> bool {
    let pid = Pid::from_child(child);
    // A failure means that it has just ended; `wait` finds out.
    let _ = kill_process(pid, Signal::TERM);
    if wait(child, GRACE).is_some() {
        return true;
    }
    let _ = kill_process(pid, Signal::KILL);
    wait(child, REAP).is_some()
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let expiry = Instant::now() + limit;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= expiry {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// The lines so far.
#[derive(Default)]
struct Collected {
    call: String,
    status: Option<NvmlStatus>,
    facts: Option<NvmlFacts>,
    gpus: Vec<GpuFacts>,
    counted: u32,
}

impl Collected {
    fn take(&mut self, line: Line) {
        match line {
            Line::Calling { call } => self.call = call,
            Line::LibraryMissing { detail } => self.status = Some(NvmlStatus::LibraryMissing { detail }),
            Line::InitFailed { code, detail } => self.status = Some(NvmlStatus::InitFailed { code, detail }),
            Line::System {
                driver,
                nvml,
                cuda,
                gpus,
            } => {
                self.counted = gpus;
                self.facts = Some(NvmlFacts {
                    driver_version: driver,
                    nvml_version: nvml,
                    cuda_driver_version: cuda,
                    ..without(NvmlStatus::Ready)
                });
            }
            Line::Gpu { gpu } => self.gpus.push(*gpu),
            Line::Done => self.status = Some(NvmlStatus::Ready),
        }
    }

    fn unresponsive(self, deadline: Duration) -> NvmlFacts {
        // Everything was said before the deadline: only the process's end is late.
        let status = self.status.clone().unwrap_or_else(|| NvmlStatus::Unresponsive {
            call: if self.call.is_empty() {
                "start of the worker".to_owned()
            } else {
                self.call.clone()
            },
            after_seconds: deadline.as_secs(),
        });
        self.with(status)
    }

    fn finish(self, exit: Option<ExitStatus>) -> NvmlFacts {
        let status = self.status.clone().unwrap_or_else(|| {
            let how = exit.map_or_else(
                || "it closed its output and does not end".to_owned(),
                |exit| exit.to_string(),
            );
            let call = if self.call.is_empty() {
                "before its first call"
            } else {
                &self.call
            };
            NvmlStatus::WorkerDied {
                detail: format!("{how}, at {call}"),
            }
        });
        self.with(status)
    }

    /// The facts with this status; GPUs that were counted and not read say so.
    fn with(mut self, status: NvmlStatus) -> NvmlFacts {
        let read = u32::try_from(self.gpus.len()).unwrap_or(u32::MAX);
        for index in read..self.counted {
            let detail = "the worker ended before this GPU was read".to_owned();
            let error = NvmlCallError {
                call: self.call.clone(),
                code: None,
                detail,
            };
            self.gpus.push(GpuFacts {
                index,
                errors: vec![error],
                ..GpuFacts::default()
            });
        }
        let facts = self.facts.unwrap_or_else(|| without(NvmlStatus::Ready));
        NvmlFacts {
            status,
            gpus: self.gpus,
            ..facts
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    const SYSTEM: &str = r#"echo '{"line":"system","driver":"580.95.05","nvml":null,"cuda":null,"gpus":2}';"#;

    #[test]
    fn a_call_that_does_not_come_back_is_named_and_what_came_before_it_is_kept() {
        let mut child = shell(&format!(
            r#"{SYSTEM} echo '{{"line":"calling","call":"nvmlDeviceGetUUID(0)"}}'; exec sleep 60"#
        ));
        let (facts, ended) = collect(&mut child, Duration::from_secs(1));
        assert!(ended);
        assert_eq!(
            facts.status,
            NvmlStatus::Unresponsive {
                call: "nvmlDeviceGetUUID(0)".into(),
                after_seconds: 1
            }
        );
        assert_eq!(facts.driver_version.as_deref(), Some("580.95.05"));
        assert_eq!(facts.gpus.len(), 2);
        assert!(facts.gpus.iter().all(|gpu| gpu.errors.len() == 1));
    }

    #[test]
    fn a_worker_that_ignores_the_polite_signal_is_killed() {
        let mut child = shell("trap '' TERM; while :; do sleep 1; done");
        let (facts, ended) = collect(&mut child, Duration::from_millis(300));
        assert!(ended, "SIGKILL ends a process that is not inside the kernel");
        assert!(matches!(facts.status, NvmlStatus::Unresponsive { .. }));
    }

    #[test]
    fn a_worker_that_dies_says_how_and_where() {
        let mut child = shell(r#"echo '{"line":"calling","call":"nvmlInit_v2"}'; kill -SEGV $$"#);
        let (facts, ended) = collect(&mut child, Duration::from_secs(10));
        assert!(ended);
        let NvmlStatus::WorkerDied { detail } = facts.status else {
            panic!("{:?}", facts.status)
        };
        assert!(
            detail.contains("signal: 11") && detail.contains("nvmlInit_v2"),
            "{detail}"
        );
    }

    #[test]
    fn words_that_the_library_prints_harm_nothing() {
        let mut child = shell(r#"echo 'NVRM: hello'; echo '{"line":"library-missing","detail":"gone"}'"#);
        let (facts, _) = collect(&mut child, Duration::from_secs(10));
        assert_eq!(facts.status, NvmlStatus::LibraryMissing { detail: "gone".into() });
    }
}
