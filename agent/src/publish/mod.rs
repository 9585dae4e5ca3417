//! Tells Kubernetes what the daemon knows of its node: conditions, Events, labels, an annotation, and a taint where the operator
//! wants one.
//!
//! Only the newest [`State`] is ever written, so an API server that was away costs no memory and is brought up to date with one
//! write. It judges nothing, and it writes nothing but this node's own objects. Called by [`crate::daemon`], on its runtime.

mod api;
mod attempts;
mod backoff;
mod beside;
mod conditions;
mod events;
mod lease;
mod marks;
mod published;
mod publisher;
mod refusal;
mod report;
mod token;
mod told;

use crate::daemon::State;
pub(crate) use published::Published;
pub(crate) use publisher::Publisher;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// How long the first write waits for the first look at the host: what is known before is `Unknown`, and would be written over
/// within seconds.
const FIRST_LOOK: Duration = Duration::from_secs(15);

/// Until nobody makes states any more or the other side of `leave` is gone; then the node's Lease is handed back.
pub(crate) async fn run(
    mut publisher: Publisher,
    mut states: watch::Receiver<Arc<State>>,
    leave: oneshot::Receiver<Infallible>,
) {
    tokio::select! {
        () = publish(&mut publisher, &mut states) => {}
        // Whatever is under way is begun again by whoever publishes next.
        _ = leave => {}
    }
    publisher.release().await;
}

async fn publish(publisher: &mut Publisher, states: &mut watch::Receiver<Arc<State>>) {
    let looked = states.wait_for(|state| state.last_pass.is_some());
    // Without a first look, what there is is told: that nobody could look.
    let _ = tokio::time::timeout(FIRST_LOOK, looked).await;
    loop {
        publisher.pass(states).await;
        if !wait(states, publisher).await {
            return;
        }
    }
}

/// Until something is due. False when nobody makes states any more.
async fn wait(states: &mut watch::Receiver<Arc<State>>, publisher: &mut Publisher) -> bool {
    loop {
        let state = states.borrow_and_update().clone();
        // Changes that come and go while the API server is away are counted all the same.
        publisher.note(&state);
        let due = publisher.due(&state, Instant::now());
        drop(state);
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => return true,
            changed = states.changed() => if changed.is_err() { return false },
        }
    }
}
