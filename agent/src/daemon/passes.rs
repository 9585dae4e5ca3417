//! The thread that looks: at NVML, then at the host, again and again. Called by [`super::run`] only.
//!
//! It may be held up by a driver that does not answer, for as long as the deadline says; only the end waits for it, so that the
//! process that owns NVML has left its last call.

use super::Config;
use super::observer::{LastPass, Report};
use crate::gpu::{Event, EventKind, Worker};
use crate::health::Era;
use crate::host::Refresh;
use bedplate_protocol::facts::NvmlStatus;
use jiff::Timestamp;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// Between the beginnings of two passes, however much NVML tells between them.
const SOONEST: Duration = Duration::from_secs(1);

/// So many passes in a row may be brought forward; then the interval is waited for.
const WOKEN: u32 = 5;

/// Looks until nobody wants to know any more: until the worker is stopping or the other end of `reports` or `wake` is gone.
pub(super) fn run(config: &Config, mut worker: Worker, reports: &SyncSender<Report>, wake: &Receiver<()>) {
    let stopping = worker.stopping();
    let mut host = Refresh::new(Path::new("/"));
    let mut trouble = false;
    let mut counted: Option<Instant> = None;
    let mut woken = 0;
    loop {
        let (began, asked) = (Instant::now(), Timestamp::now());
        let nvml = worker.pass(config.nvml.deadline.get());
        let took = began.elapsed();
        // What was broken off for the end is no news.
        if stopping.load(Ordering::Relaxed) {
            return;
        }
        let troubled = nvml.status != NvmlStatus::Ready;
        if let Some(since) = worker.unresponsive_since().filter(|_| !trouble) {
            tracing::error!(%since, "NVML unresponsive; what was read before is shown as stale until it answers again");
        }
        // What goes with a driver that has just stopped answering is wanted at once.
        let (mut facts, whole) = host.look(nvml, troubled && !trouble);
        facts.time.nvml_asked = Some(asked);
        // What is found is about the node. A pod has a host name of its own, another one each time.
        if let Some(name) = &config.node_name {
            facts.hostname.clone_from(name);
        }
        trouble = troubled;
        let era = Era {
            boot_id: facts.boot.boot_id.clone(),
            driver: host.driver_load(),
        };
        // "Three observations in a row" means a while: passes that NVML's events bring on one another's heels are one.
        let early = counted.is_some_and(|at| began.duration_since(at) < config.interval.get() / 2);
        if !early {
            counted = Some(began);
        }
        let pass = LastPass {
            facts,
            era,
            took,
            whole,
            early,
        };
        if reports.send(Report::Pass(Box::new(pass))).is_err() {
            return;
        }
        // From beginning to beginning, so that slow passes do not make the interval longer than they must. A library that never stops
        // telling something gets no more passes than it is worth.
        let deaf = woken >= WOKEN;
        match due(began, config.interval.get(), wake, deaf, &stopping) {
            Due::Interval => woken = 0,
            Due::Woken => woken += 1,
            Due::Never => return,
        }
    }
}

/// Why there is another pass, if there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It is time.
    Interval,
    /// NVML has told something.
    Woken,
    /// Nobody wants one.
    Never,
}

/// Waits for the interval, or less when NVML has told something and this is not `deaf` to it.
fn due(began: Instant, interval: Duration, wake: &Receiver<()>, deaf: bool, stopping: &AtomicBool) -> Due {
    let mut rest = interval;
    let mut why = Due::Interval;
    while !stopping.load(Ordering::Relaxed) {
        let left = rest.saturating_sub(began.elapsed());
        if left.is_zero() {
            return why;
        }
        match wake.recv_timeout(left) {
            Ok(()) if !deaf && SOONEST < rest => (rest, why) = (SOONEST, Due::Woken),
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Due::Never,
        }
    }
    Due::Never
}

/// Hands on what NVML tells by itself, until nobody wants to know or the worker's owner is gone. What an event means that is no
/// XID, only a pass can tell, so it wakes one.
pub(super) fn forward(events: &Receiver<Event>, reports: &SyncSender<Report>, wake: &SyncSender<()>) {
    while let Ok(event) = events.recv() {
        let explained = matches!(event.kind, EventKind::Xid(Some(_)));
        if reports.send(Report::Nvml(event)).is_err() {
            return;
        }
        if !explained {
            // One that waits already wakes for both.
            let _ = wake.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn what_nvml_tells_brings_the_next_pass_forward_and_never_nearer_than_a_second() {
        let (wake, woken) = mpsc::sync_channel(1);
        let stopping = AtomicBool::new(false);
        let began = Instant::now();
        wake.try_send(()).unwrap();
        let minutes = Duration::from_mins(10);
        assert_eq!(due(began, minutes, &woken, false, &stopping), Due::Woken);
        assert!((SOONEST..Duration::from_mins(5)).contains(&began.elapsed()));
        let long_ago = Instant::now().checked_sub(SOONEST).unwrap();
        wake.try_send(()).unwrap();
        assert_eq!(due(long_ago, minutes, &woken, false, &stopping), Due::Woken, "at once");
        wake.try_send(()).unwrap();
        let short = Duration::from_millis(1500);
        let began = Instant::now();
        assert_eq!(
            due(began, short, &woken, true, &stopping),
            Due::Interval,
            "told too often"
        );
        assert!(began.elapsed() >= short);
        stopping.store(true, Ordering::Relaxed);
        assert_eq!(
            due(Instant::now(), Duration::ZERO, &woken, false, &stopping),
            Due::Never
        );
    }
}
