//! The daemon: one process that looks at a host at an interval, keeps what it knows, and tells whoever asks.
//!
//! Three kinds of threads: one looks ([`passes`]), one judges ([`observer`]), and the first one, an asynchronous runtime,
//! speaks with systemd and everybody else. They share nothing but messages and the newest [`State`]. Changes nothing on the
//! host but its own files. Called by the verb `run`.

mod clock;
mod config;
mod hearing;
mod holders;
mod kept;
mod kernel_log;
mod log;
mod notify;
mod observer;
mod parts;
mod passes;
mod pulse;
mod state;
mod xids;

use crate::gpu::Worker;
use crate::health::Fold;
use crate::pods;
use crate::publish::{self, Publisher};
use crate::serve;
use bedplate_protocol::{Finding, Severity};
use clock::Clock;
#[cfg(fuzzing)]
pub(crate) use config::property as config_property;
pub(crate) use config::{Config, ConfigError, Kubernetes, Serve, Tls, read};
pub(crate) use kept::KeptError;
use notify::Notify;
use observer::{Beginning, Observer, Report};
use parts::Parts;
use pulse::Pulse;
pub(crate) use state::State;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

/// Reports that may wait; the observer takes all that wait before it judges once. The room of all is taken at the start, 200 bytes
/// each; who finds it full waits, and what the kernel's log has in the meantime waits there.
const MAILBOX: usize = 128;
/// How long the end waits for the last state to be kept.
const FAREWELL: Duration = Duration::from_millis(800);
/// How long the end waits for the process that owns NVML to leave a call that is only slow. With `FAREWELL` and `HAND_BACK` it is less
/// than what the unit's `TimeoutStopSec` and the `DaemonSet`'s `terminationGracePeriodSeconds` give: after those comes SIGKILL, inside the call.
const LAST_CALL: Duration = Duration::from_secs(12);
/// How long the end waits for the node's Lease to be handed back; who wants it then need not wait until this agent counts as silent.
const HAND_BACK: Duration = Duration::from_secs(2);
/// An observer that was not at its mailbox for so long is stuck, and systemd is no longer told that the daemon lives.
const STUCK: Duration = Duration::from_secs(30);
/// Where nobody asks whether the daemon lives, as in a container, it ends by itself after this: systemd's `WatchdogSec` of the unit.
const ABANDONED: Duration = Duration::from_mins(1);

/// Why the daemon could not begin, or could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// What survives a restart.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// A thread or the runtime.
    #[error("{what} could not be started: {source}; see the unit's TasksMax and the host's limits")]
    Start {
        /// Which.
        what: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// Where systemd does not ask whether it lives.
    #[error(
        "the thread that judges has not been at its work for {} s; this is a fault of the agent, and whoever started it \
         starts it again", ABANDONED.as_secs()
    )]
    Stuck,
    /// A part without which it is blind or dumb.
    #[error(
        "{what} has ended by itself; this is a fault of the agent, whose log says where, and systemd starts it again"
    )]
    Ended {
        /// Which.
        what: &'static str,
    },
}

/// Until SIGTERM or SIGINT.
pub(crate) fn run(config: &Config) -> Result<(), DaemonError> {
    let (kept, memory, aside) = kept::Kept::open(&config.state_directory)?;
    let node_name = config.node_name.clone().unwrap_or_else(hostname);
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let (xids, counts_aside) = xids::Xids::open(config, boot_id.trim());
    let aside = [aside, counts_aside].into_iter().flatten();
    let troubles: Vec<Finding> = aside
        .map(|why| {
            tracing::warn!("{why}");
            let cure = "nothing to do: what was in it began anew; look at the file if that matters";
            Finding::new(Severity::Warning, "state-put-aside", node_name.clone(), why, cure)
        })
        .collect();
    let mut fold = Fold::new(config.checks.clone(), config.interval.signed(), memory);
    let clock = Clock::new();
    fold.tick(clock.now());
    let begun = fold.transitions().last().map_or(0, |last| last.sequence + 1);
    let publisher = config
        .kubernetes
        .clone()
        .map(|kubernetes| Publisher::open(kubernetes, &config.state_directory, begun));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| DaemonError::Start {
            what: "the runtime",
            source,
        })?;

    let stopping = Arc::new(AtomicBool::new(false));
    let pulse = Pulse::new();
    let (states, watched) = watch::channel(Arc::new(State::before_the_first_pass(config, &node_name, &fold)));
    // Bounded, so that a kernel that writes without end waits and fills no memory.
    let (reports, mailbox) = mpsc::sync_channel(MAILBOX);
    // One that waits says as much as many.
    let (wake, woken) = mpsc::sync_channel(1);
    let (questions, asked) = tokio::sync::mpsc::channel(1);
    let observer = Observer::new(Beginning {
        config: config.clone(),
        node_name,
        clock,
        fold,
        kept,
        xids,
        troubles,
        questions,
        states,
        pulse: pulse.clone(),
        stopping: Arc::clone(&stopping),
    });
    let observer = Arc::new(spawn("observer", move || observer.run(&mailbox))?);
    let mut parts = Parts::default();
    let judging = Arc::clone(&observer);
    parts.add("the thread that judges", move || judging.is_finished());
    // None of the others is waited for without an end: one may be inside a driver that never answers, one waits for the kernel.
    let mut worker = Worker::new(config.nvml.library.clone());
    if let Some(events) = worker.events() {
        let (reports, wake) = (reports.clone(), wake.clone());
        spawn("nvml-events", move || passes::forward(&events, &reports, &wake))?;
    }
    let (passes_config, passes_reports) = (config.clone(), reports.clone());
    let last_pass = worker.stopping();
    let passes = Arc::new(spawn("passes", move || {
        passes::run(&passes_config, worker, &passes_reports, &woken);
    })?);
    let looking = Arc::clone(&passes);
    parts.add("the thread that looks", move || looking.is_finished());
    let (path, log_reports) = (config.kernel_log.clone(), reports.clone());
    let reading = spawn("kernel-log", move || kernel_log::run(&path, &log_reports))?;
    parts.add("the thread that reads the kernel's log", move || reading.is_finished());

    let mut publishing = None;
    let ended = runtime.block_on(async {
        let published = publisher.as_ref().map(Publisher::published);
        let telling = reports.clone();
        let tell = move |trouble| {
            // A full mailbox hears of it the next time.
            let _ = telling.try_send(Report::Serving(trouble));
        };
        let serving = serve::run(config.serve.clone(), config.listen, watched.clone(), published, tell);
        let serving = tokio::spawn(serving);
        parts.add("the task that serves", move || serving.is_finished());
        let socket = config.serve.pod_resources_socket.clone();
        let socket = socket.unwrap_or_else(|| PathBuf::from(pods::SOCKET));
        let answers = reports.clone();
        tokio::spawn(async move { holders::answer(asked, &socket, &answers).await });
        if let Some(publisher) = publisher {
            let (leave, left) = oneshot::channel();
            let task = tokio::spawn(publish::run(publisher, watched.clone(), left));
            let running = task.abort_handle();
            parts.add("the task that publishes", move || running.is_finished());
            publishing = Some((leave, task));
        }
        speak(watched, pulse, &parts).await
    });
    last_pass.store(true, Ordering::Relaxed);
    let _ = wake.try_send(());
    // A full mailbox is being emptied; an observer that is gone has nothing to keep.
    stopping.store(true, Ordering::Relaxed);
    let _ = reports.try_send(Report::Stop);
    if let Some((leave, task)) = publishing {
        drop(leave);
        // Late is as good as never: the Lease then becomes free when this agent counts as silent.
        let _ = runtime.block_on(async { tokio::time::timeout(HAND_BACK, task).await });
    }
    wait_for(&observer, FAREWELL);
    wait_for(&passes, LAST_CALL);
    // Whatever still runs on the runtime is of no more use.
    runtime.shutdown_background();
    ended
}

/// Speaks with systemd until a signal comes.
async fn speak(mut states: watch::Receiver<Arc<State>>, pulse: Pulse, parts: &Parts) -> Result<(), DaemonError> {
    let started = |source| DaemonError::Start {
        what: "the reception of signals",
        source,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(started)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(started)?;
    let notify = Notify::from_environment();
    let alive = Notify::watchdog();
    let mut beat = tokio::time::interval(alive.unwrap_or(STUCK));
    notify.say("READY=1");
    let ended = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = beat.tick() => {
                if let Some(what) = parts.ended() {
                    break Err(DaemonError::Ended { what });
                }
                match (alive, pulse.age()) {
                    (Some(_), age) if age < STUCK => notify.say("WATCHDOG=1"),
                    (None, age) if age >= ABANDONED => break Err(DaemonError::Stuck),
                    _ => {}
                }
            }
            changed = states.changed() => {
                if changed.is_err() {
                    break Err(DaemonError::Ended { what: parts.ended().unwrap_or("the thread that judges") });
                }
                let summary = states.borrow_and_update().summary();
                notify.say(&format!("STATUS={summary}"));
            }
        }
    };
    notify.say("STOPPING=1");
    ended
}

fn spawn(what: &'static str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DaemonError> {
    // Their stacks are shallow: the default of 2 MiB each would only be address space, but says something untrue.
    let builder = thread::Builder::new().name(what.to_owned()).stack_size(512 << 10);
    builder
        .spawn(work)
        .map_err(|source| DaemonError::Start { what, source })
}

fn wait_for(thread: &JoinHandle<()>, limit: Duration) {
    let expiry = Instant::now() + limit;
    while !thread.is_finished() && Instant::now() < expiry {
        thread::sleep(Duration::from_millis(5));
    }
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
