//! The side of the NVML worker that has a deadline: one child, asked again and again. Called by [`super::read`] and the daemon.
//!
//! A call that does not come back makes the pass `Unresponsive`; the worker is asked to end and, if it does not, given up. While
//! such a stuck worker lives, no second is started: by no [`Worker`] of this process, nor by another process ([`super::others`]).

use super::event::Event;
use super::others;
use super::pass;
use super::patience::Patience;
use super::process::Process;
use super::progress::UnderWay;
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
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Events that may wait for somebody to take them; their room is taken at the start.
const EVENTS: usize = 128;

/// A worker that did not end.
struct Stuck {
    process: Process,
    under_way: UnderWay,
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
    /// Where the pages of all workers of the machine are.
    pages: PathBuf,
    running: Option<(Process, Installed)>,
    events: SyncSender<Event>,
    heard: Option<Receiver<Event>>,
    unresponsive_since: Option<Timestamp>,
    stopping: Arc<AtomicBool>,
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
            pages: PathBuf::from(others::FOLDER),
            running: None,
            events,
            heard: Some(heard),
            unresponsive_since: None,
            stopping: Arc::default(),
        }
    }

    /// Breaks off the pass that is under way, once it is true: the child ends after the call that it is in.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    /// What NVML tells by itself, at once, from the first pass after this on. Given once.
    pub(crate) fn events(&mut self) -> Option<Receiver<Event>> {
        self.heard.take()
    }

    /// Since when NVML does not answer, if the last pass found it so: values read before are older than this.
    pub(crate) fn unresponsive_since(&self) -> Option<Timestamp> {
        self.unresponsive_since
    }

    /// Everything that NVML says, each call within the deadline; a session's first pass, in which GPUs are initialised, within a
    /// bound of its own ([`Patience`]); and two seconds more. Never fails: why there is nothing is a status.
    pub(crate) fn pass(&mut self, deadline: Duration) -> NvmlFacts {
        if let Some(stuck) = still_stuck() {
            return self.unresponsive(&stuck);
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
        let mut patience = Patience::new(deadline);
        if self.running.is_none() {
            let key = installed.key();
            if let Some(stuck) = others::stuck(&self.pages, &key) {
                return self.unresponsive(&stuck);
            }
            patience.initialises(power.awake.len());
            let started = others::page(&self.pages, &key)
                .and_then(|page| Process::start(&mut (self.program)(&installed.library.0), page, self.events.clone()));
            match started {
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
        let (facts, since) = pass::collect(process, &request, patience, &self.stopping);
        self.unresponsive_since = since;
        if !keeps(&facts) {
            self.end();
        }
        facts
    }

    /// Nothing is read beside a worker that hangs.
    fn unresponsive(&mut self, stuck: &UnderWay) -> NvmlFacts {
        self.unresponsive_since = Some(stuck.since);
        without(NvmlStatus::Unresponsive {
            call: stuck.call.clone(),
            after_seconds: stuck.age.as_secs(),
            since: Some(stuck.since),
            pass_seconds: None,
        })
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
            let under_way = process.under_way().unwrap_or_else(|| UnderWay {
                call: "the end of the process".to_owned(),
                since: Timestamp::now(),
                age: Duration::ZERO,
            });
            *STUCK.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stuck { process, under_way });
        }
    }
}

impl Installed {
    /// Under what name workers on this library find each other: by the file, for a path may be a link to one or the other.
    fn key(&self) -> String {
        match self.library.1 {
            Some((device, inode, _)) => format!("{device:x}-{inode:x}"),
            // The dynamic linker's own choice, of which there is one.
            None => "linker".to_owned(),
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

/// The stuck worker's call as it was given up, so that what is told of it stays the same; forgotten once it has ended.
fn still_stuck() -> Option<UnderWay> {
    let mut stuck = STUCK.lock().unwrap_or_else(PoisonError::into_inner);
    let it = stuck.as_mut()?;
    if it.process.ended().is_some() {
        *stuck = None;
        return None;
    }
    Some(it.under_way.clone())
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
