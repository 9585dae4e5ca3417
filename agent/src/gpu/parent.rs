//! The side of the NVML worker that has a deadline: one child, asked again and again. Called by [`super::read`] and the daemon.
//!
//! A call that does not come back makes the pass `Unresponsive`; the worker is asked to end and, if it does not, given up.
//! While such a stuck worker lives, no second is started, however many [`Worker`]s this process has.

use super::collected::Collected;
use super::event::Event;
use super::process::Process;
use super::sleeping::{self, Power};
use super::wire::Request;
use super::{codes, missing, without};
use crate::host::Tree;
use crate::host::nvidia::{LIBRARY, library_on_disk};
use bedplate_protocol::facts::{GpuFacts, NvmlFacts, NvmlStatus};
use jiff::Timestamp;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Events that may wait for somebody to take them; their room is taken at the start.
const EVENTS: usize = 128;

/// A worker that did not end.
struct Stuck {
    process: Process,
    call: String,
    since: Timestamp,
}

static STUCK: Mutex<Option<Stuck>> = Mutex::new(None);

/// Owns at most one child with one NVML session. Dropping it ends the child, within two seconds or not at all; so does the end
/// of the thread that made the pass which started it (the kernel's parent-death signal is a thread's), so one thread that
/// lives as long as the worker makes all passes.
#[derive(Debug)]
pub(crate) struct Worker {
    library: Option<PathBuf>,
    root: PathBuf,
    /// The command that becomes the child.
    program: fn(&Path) -> Command,
    running: Option<(Process, Installed)>,
    events: SyncSender<Event>,
    heard: Option<Receiver<Event>>,
    unresponsive_since: Option<Timestamp>,
}

/// What a session was opened with. Where any of it changes, the session is not that of the machine any more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Installed {
    /// Path, device, inode and change time of the library's file.
    library: (PathBuf, Option<(u64, u64, i64)>),
    /// `/sys/module/nvidia/version`.
    module: Option<String>,
    /// GPUs that the driver has.
    gpus: Vec<String>,
}

impl Worker {
    /// Starts nothing yet. Without a path the library is looked for anew in each pass, as an upgrade may move it.
    pub(crate) fn new(library: Option<PathBuf>) -> Self {
        let (events, heard) = mpsc::sync_channel(EVENTS);
        Self {
            library,
            root: PathBuf::from("/"),
            program: this_executable,
            running: None,
            events,
            heard: Some(heard),
            unresponsive_since: None,
        }
    }

    /// What NVML tells by itself, at once, from the first pass after this on. Given once.
    pub(crate) fn events(&mut self) -> Option<Receiver<Event>> {
        self.heard.take()
    }

    /// Since when NVML does not answer, if the last pass found it so: values read before are older than this.
    pub(crate) fn unresponsive_since(&self) -> Option<Timestamp> {
        self.unresponsive_since
    }

    /// Everything that NVML says, within the deadline and two seconds more. Never fails: why there is nothing is a status.
    pub(crate) fn pass(&mut self, deadline: Duration) -> NvmlFacts {
        if let Some((call, since)) = still_stuck() {
            self.unresponsive_since = Some(since);
            return without(NvmlStatus::Unresponsive {
                call,
                after_seconds: deadline.as_secs(),
            });
        }
        self.unresponsive_since = None;
        let power = sleeping::read(&self.root);
        if power.awake.is_empty() && !power.asleep.is_empty() {
            self.end();
            return all_asleep(&power);
        }
        let Some(installed) = self.installed(&power) else {
            self.end();
            return missing();
        };
        let gone = match &mut self.running {
            Some((process, with)) => process.ended().is_some() || *with != installed,
            None => false,
        };
        if gone {
            self.end();
        }
        if self.running.is_none() {
            match Process::start(&mut (self.program)(&installed.library.0), self.events.clone()) {
                Ok(process) => self.running = Some((process, installed)),
                Err(error) => {
                    return without(NvmlStatus::WorkerDied {
                        detail: format!("it could not be started: {error}"),
                    });
                }
            }
        }
        let Some((process, _)) = &mut self.running else {
            return missing();
        };
        let request = Request::Pass {
            asleep: power.asleep,
            awake: power.awake,
            watch: self.heard.is_none(),
        };
        let (facts, since) = collect(process, &request, deadline);
        self.unresponsive_since = since;
        if !keeps(&facts) {
            self.end();
        }
        facts
    }

    fn installed(&self, power: &Power) -> Option<Installed> {
        let tree = Tree::new(&self.root);
        let library = self
            .library
            .clone()
            .or_else(|| library_on_disk(&tree))
            .or_else(|| tree.is_running_host().then(|| PathBuf::from(LIBRARY)))?;
        let file = std::fs::metadata(&library).ok();
        let mut gpus = [power.awake.as_slice(), &power.asleep].concat();
        gpus.sort_unstable();
        Some(Installed {
            library: (library, file.map(|file| (file.dev(), file.ino(), file.ctime()))),
            module: tree.word("sys/module/nvidia/version"),
            gpus,
        })
    }

    /// Ends the child; one that does not end is the stuck one from now on.
    fn end(&mut self) {
        let Some((mut process, _)) = self.running.take() else {
            return;
        };
        if !process.end() {
            let under_way = process.under_way();
            let call = under_way
                .as_ref()
                .map_or("the end of the process", |it| &it.call)
                .to_owned();
            let since = under_way.map_or_else(Timestamp::now, |it| it.since);
            *STUCK.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stuck { process, call, since });
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// This executable as a worker.
fn this_executable(library: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("bedplate-agent")
        .arg("nvml-worker")
        .arg("--library")
        .arg(library);
    command
}

/// The stuck worker's call and when it began; forgotten once it has ended.
fn still_stuck() -> Option<(String, Timestamp)> {
    let mut stuck = STUCK.lock().unwrap_or_else(PoisonError::into_inner);
    let it = stuck.as_mut()?;
    if it.process.ended().is_some() {
        *stuck = None;
        return None;
    }
    Some((it.call.clone(), it.since))
}

/// One pass, and since when NVML does not answer if it does not.
fn collect(process: &mut Process, request: &Request, deadline: Duration) -> (NvmlFacts, Option<Timestamp>) {
    let expiry = Instant::now() + deadline;
    let mut pass = Collected::default();
    // A worker that has just died does not take it; its lines end, which is seen below.
    let _ = process.ask(request);
    loop {
        match process.next(expiry) {
            Ok(line) => {
                if pass.take(line) {
                    return (pass.finish(), None);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let under_way = process.under_way();
                let since = under_way.as_ref().map_or_else(Timestamp::now, |it| it.since);
                let call = under_way.map_or_else(|| "start of the worker".to_owned(), |it| it.call);
                let status = NvmlStatus::Unresponsive {
                    call: call.clone(),
                    after_seconds: deadline.as_secs(),
                };
                return (pass.broken_off(&call, status), Some(since));
            }
            Err(RecvTimeoutError::Disconnected) => {
                let how = process.wait().map_or_else(
                    || "it closed its socket and does not end".to_owned(),
                    |exit| exit.to_string(),
                );
                let call = process
                    .under_way()
                    .map_or_else(|| "before its first call".to_owned(), |it| it.call);
                let detail = format!("{how}, at {call}");
                return (pass.broken_off(&call, NvmlStatus::WorkerDied { detail }), None);
            }
        }
    }
}

/// Whether the session may stay open after the pass. Not one that does not work; and not while a GPU waits for a reset, which
/// the driver refuses as long as it has a client (`nvidia-smi --gpu-reset`), nor with a lost one, which a session that was
/// opened before its return does not find again.
fn keeps(facts: &NvmlFacts) -> bool {
    let waits = |gpu: &GpuFacts| {
        gpu.recovery_action.is_some_and(|action| action != 0)
            || gpu
                .errors
                .iter()
                .any(|error| matches!(error.code, Some(codes::GPU_IS_LOST | codes::RESET_REQUIRED)))
    };
    facts.status == NvmlStatus::Ready && !facts.gpus.iter().any(waits)
}

/// No GPU may be asked, so nothing was.
fn all_asleep(power: &Power) -> NvmlFacts {
    let gpus = (0..).zip(&power.asleep).map(|(index, address)| GpuFacts {
        index,
        pci_address: Some(address.clone()),
        suspended: true,
        ..GpuFacts::default()
    });
    NvmlFacts {
        gpus: gpus.collect(),
        ..without(NvmlStatus::Ready)
    }
}

#[cfg(test)]
mod tests;
