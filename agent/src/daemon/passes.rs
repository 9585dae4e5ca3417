//! The thread that looks: at NVML, then at the host, again and again. Called by [`super::run`] only.
//!
//! It may be held up by a driver that does not answer, for as long as the deadline says; only the end waits for it, so that the
//! process that owns NVML has left its last call.

use super::Config;
use super::observer::Report;
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

/// Looks until nobody wants to know any more: until the worker is stopping or the other end of `reports` or `wake` is gone.
pub(super) fn run(config: &Config, mut worker: Worker, reports: &SyncSender<Report>, wake: &Receiver<()>) {
    let stopping = worker.stopping();
    let mut host = Refresh::new(Path::new("/"));
    let mut trouble = false;
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
        let mut facts = host.look(nvml, troubled && !trouble);
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
        if reports
            .send(Report::Pass {
                facts: Box::new(facts),
                era,
                took,
            })
            .is_err()
        {
            return;
        }
        // From beginning to beginning, so that slow passes do not make the interval longer than they must.
        if !due(began, config.interval.get(), wake, &stopping) {
            return;
        }
    }
}

/// Waits for the interval, or less when NVML has told something; false when there is to be no other pass.
fn due(began: Instant, interval: Duration, wake: &Receiver<()>, stopping: &AtomicBool) -> bool {
    let mut rest = interval;
    while !stopping.load(Ordering::Relaxed) {
        let left = rest.saturating_sub(began.elapsed());
        if left.is_zero() {
            return true;
        }
        match wake.recv_timeout(left) {
            Ok(()) => rest = rest.min(SOONEST),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    false
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
        assert!(due(began, Duration::from_mins(10), &woken, &stopping));
        assert!((SOONEST..Duration::from_mins(5)).contains(&began.elapsed()));
        let long_ago = Instant::now().checked_sub(SOONEST).unwrap();
        wake.try_send(()).unwrap();
        assert!(due(long_ago, Duration::from_mins(10), &woken, &stopping), "at once");
        stopping.store(true, Ordering::Relaxed);
        assert!(!due(Instant::now(), Duration::ZERO, &woken, &stopping));
    }
}
