//! The thread that looks: at NVML, then at the host, again and again. Called by [`super::run`] only.
//!
//! It may be held up by a driver that does not answer, for as long as the deadline says; nothing else waits for it.

use super::Config;
use super::observer::Report;
use crate::gpu::{Event, Worker};
use crate::health::Era;
use crate::host::Refresh;
use bedplate_protocol::facts::NvmlStatus;
use jiff::Timestamp;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Instant;

/// Looks until nobody wants to know any more: until `stop` or the other end of `reports` is gone.
pub(super) fn run(config: &Config, mut worker: Worker, reports: &SyncSender<Report>, stop: &Receiver<()>) {
    let mut host = Refresh::new(Path::new("/"));
    let mut trouble = false;
    loop {
        let (began, asked) = (Instant::now(), Timestamp::now());
        let nvml = worker.pass(config.nvml.deadline.get());
        let took = began.elapsed();
        let troubled = nvml.status != NvmlStatus::Ready;
        if let Some(since) = worker.unresponsive_since().filter(|_| !trouble) {
            tracing::error!(%since, "NVML unresponsive; what was read before is shown as stale until it answers again");
        }
        // What goes with a driver that has just stopped answering is wanted at once.
        let mut facts = host.look(nvml, troubled && !trouble);
        facts.time.nvml_asked = Some(asked);
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
        let rest = config.interval.get().saturating_sub(began.elapsed());
        match stop.recv_timeout(rest) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Hands on what NVML tells by itself, until nobody wants to know or the worker's owner is gone.
pub(super) fn forward(events: &Receiver<Event>, reports: &SyncSender<Report>) {
    while let Ok(event) = events.recv() {
        if reports.send(Report::Nvml(event)).is_err() {
            return;
        }
    }
}
