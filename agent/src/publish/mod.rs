//! Tells Kubernetes what the daemon knows of its node: conditions, Events, labels, an annotation, and a taint where the operator
//! wants one.
//!
//! Only the newest [`State`] is ever written, so an API server that was away costs no memory and is brought up to date with one
//! write. It judges nothing, and it writes nothing but this node's own objects. Called by [`crate::daemon`], on its runtime.

mod api;
mod backoff;
mod conditions;
mod events;
mod lease;
mod marks;
mod publisher;
mod refusal;
mod report;
mod token;

use crate::daemon::{Kubernetes, State};
use backoff::Backoff;
use publisher::Publisher;
use report::Report;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long the first write waits for the first look at the host: what is known before is `Unknown`, and would be written over
/// within seconds.
const FIRST_LOOK: Duration = Duration::from_secs(15);

/// Until nobody makes states any more.
pub(crate) async fn run(config: Kubernetes, state_directory: &Path, mut states: watch::Receiver<Arc<State>>) {
    let looked = states.wait_for(|state| state.last_pass.is_some());
    // Without a first look, what there is is told: that nobody could look.
    let _ = tokio::time::timeout(FIRST_LOOK, looked).await;
    let started = states.borrow().started;
    let mut report = Report::default();
    let mut backoff = Backoff::default();
    let mut publisher = Publisher::new(config, state_directory, started);
    loop {
        let state = states.borrow_and_update().clone();
        let wake = match publisher.pass(&state).await {
            Ok(()) => {
                backoff.reset();
                report.works();
                None
            }
            Err(error) => {
                report.fails(&error);
                Some(Instant::now() + backoff.next(error.retry_after()))
            }
        };
        if !wait(&mut states, &mut publisher, wake).await {
            return;
        }
    }
}

/// Until something is due, and not before `not_before`. False when nobody makes states any more.
async fn wait(
    states: &mut watch::Receiver<Arc<State>>,
    publisher: &mut Publisher,
    not_before: Option<Instant>,
) -> bool {
    loop {
        let state = states.borrow_and_update().clone();
        // Changes that come and go while the API server is away are counted all the same.
        publisher.note(&state);
        let due = publisher.due(&state, Instant::now());
        let due = not_before.map_or(due, |earliest| due.max(earliest));
        drop(state);
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => return true,
            changed = states.changed() => if changed.is_err() { return false },
        }
    }
}
