//! What a node carries beside its conditions: labels and annotation, the taint, and Events. Each is tried by itself, and none
//! that is refused holds up another.
//!
//! Whatever is written here may be broken off between two requests or while one is under way, and is then begun again.
//! Called by [`super::publisher`].

use super::api::NODES;
use super::attempts::Attempts;
use super::events::{self, Due, Outbox};
use super::marks::{self, Marks, Taint};
use super::published::Published;
use super::publisher::Session;
use super::refusal::{ApiError, PublishError};
use super::told::Record;
use crate::daemon::{Kubernetes, State};
use jiff::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Labels and taint change with conditions; alone they are not worth more than a write in so long.
const ALONE: Duration = Duration::from_secs(10);

/// What has been written, and what is waiting.
pub(super) struct Beside {
    wants_taint: bool,
    heartbeat: Duration,
    /// What the node was last seen or made to carry.
    marks: Option<Marks>,
    /// The taint that the node was last seen or made to have.
    taint: Option<Taint>,
    outbox: Outbox,
    record: Record,
    /// Something has been told that the record does not have.
    unkept: bool,
    /// Whose our labels were, in the API server's words, where that has been said.
    foreign: String,
    labels: Attempts,
    taints: Attempts,
    events: Attempts,
}

impl Beside {
    /// Goes on with the Events that an earlier run has not told. `begun` is the number of this process' first own change.
    pub(super) fn open(
        wanted: &Kubernetes,
        directory: &Path,
        begun: u64,
        published: &watch::Sender<Published>,
    ) -> Self {
        let (record, told) = Record::open(directory, begun);
        Self {
            wants_taint: wanted.taints,
            heartbeat: wanted.heartbeat.get(),
            marks: None,
            taint: None,
            outbox: Outbox::new(told, Instant::now()),
            record,
            unkept: false,
            foreign: String::new(),
            labels: Attempts::new("labels", published),
            taints: Attempts::new("the taint", published),
            events: Attempts::new("Events", published),
        }
    }

    /// Takes in what has happened since, whether or not it can be told now.
    pub(super) fn note(&mut self, state: &State) {
        self.outbox.note(&state.transitions);
    }

    /// This agent takes over from another, whose last sign of life was at `until`.
    pub(super) fn takes_over(&mut self, until: Timestamp) {
        self.outbox.told_by_another(until);
        self.unkept = true;
    }

    /// When there is something to do, for a node whose conditions were last written at `written`.
    pub(super) fn due(&self, state: &State, now: Instant, written: Option<Instant>) -> Option<Instant> {
        let soon = written.map_or(now, |at| at + ALONE);
        let labels = self.unmarked(&self.marks(state)).then(|| self.labels.earliest(soon));
        let taint = self.lacks(&Taint::of(state, self.wants_taint));
        let taint = taint.then(|| self.taints.earliest(soon));
        let events = self.outbox.due(now).map(|due| self.events.earliest(due));
        [labels, taint, events].into_iter().flatten().min()
    }

    /// The node's metadata, just read. It says nothing of taints: where they are wanted the node is looked at again, because
    /// somebody may have taken ours away.
    pub(super) fn seen(&mut self, node: &Value, state: &State) {
        let wanted = self.marks(state);
        self.marks = wanted.on(node).then_some(wanted);
        if self.wants_taint {
            self.taint = None;
        }
    }

    /// The Node was made anew, and carries nothing of what the old one carried.
    pub(super) fn forget(&mut self) {
        self.marks = None;
        self.taint = None;
    }

    /// Writes what is due.
    pub(super) async fn write(&mut self, session: &Session, state: &State) {
        let marks = self.marks(state);
        if self.unmarked(&marks) && ready(&self.labels) {
            let done = self.label(session, marks).await;
            self.labels.ended(done);
        }
        let taint = Taint::of(state, self.wants_taint);
        if self.lacks(&taint) && ready(&self.taints) {
            let done = self.taint(session, taint).await;
            self.taints.ended(done);
        }
        let waiting = self.outbox.due(Instant::now());
        if waiting.is_some_and(|due| due <= Instant::now()) && ready(&self.events) {
            let done = self.tell(session).await;
            self.events.ended(done);
        }
        if self.unkept || self.record.failing() {
            self.unkept = !self.record.keep(self.outbox.so_far());
        }
    }

    fn marks(&self, state: &State) -> Marks {
        Marks::of(state, self.heartbeat)
    }

    fn unmarked(&self, wanted: &Marks) -> bool {
        self.marks.as_ref() != Some(wanted)
    }

    fn lacks(&self, wanted: &Taint) -> bool {
        *wanted != Taint::AsItIs && self.taint.as_ref() != Some(wanted)
    }

    /// Labels and annotation. They are in our own domain, so what somebody else has written there is taken back, as
    /// kubernetes.io/docs/reference/using-api/server-side-apply ("Using Server-Side Apply in a controller", read 2026-11-21)
    /// advises; whose it was is said.
    async fn label(&mut self, session: &Session, wanted: Marks) -> Result<(), PublishError> {
        let Session { api, token, node, .. } = session;
        let (what, body) = ("label this node", wanted.apply(node));
        let metadata = match api.apply(token, what, (node, false), &body).await {
            Err(ApiError::Conflict { message, .. }) => {
                if self.foreign != message {
                    tracing::warn!(
                        "somebody else has written labels or the annotation of bedplate.dev on node {node}; the agent puts its own \
                         back: {message}"
                    );
                    self.foreign = message;
                }
                api.apply(token, what, (node, true), &body).await?
            }
            done => done?,
        };
        if let Some(patch) = wanted.leftovers(&metadata) {
            api.merge(token, what, (NODES, node), &patch).await?;
        }
        self.marks = Some(wanted);
        Ok(())
    }

    async fn taint(&mut self, session: &Session, wanted: Taint) -> Result<(), PublishError> {
        let Session { api, token, node, .. } = session;
        let object = api.get(token, "read this node", NODES, node).await?;
        if let Some(patch) = marks::taint_patch(&object, wanted.value()) {
            api.merge(token, "taint this node", (NODES, node), &patch).await?;
        }
        self.taint = Some(wanted);
        Ok(())
    }

    /// Events.
    async fn tell(&mut self, session: &Session) -> Result<(), PublishError> {
        let Session { api, token, node, uid } = session;
        while let Some((key, due)) = self.outbox.next(Instant::now(), node, uid) {
            let what = "write an Event about this node";
            let written = match &due {
                Due::Create(event) => api.create(token, what, events::PATH, event).await,
                Due::Count(name, patch) => api.merge(token, what, (events::PATH, name), patch).await,
            };
            match (written, due) {
                // It was written before, and the answer was lost.
                (Ok(_), _) | (Err(ApiError::Conflict { .. }), Due::Create(_)) => {
                    self.outbox.told(&key);
                    self.unkept = true;
                }
                (Err(ApiError::NotFound { .. }), Due::Count(..)) => self.outbox.gone(&key),
                (Err(error @ ApiError::Refused { code: 400 | 422, .. }), _) => {
                    self.outbox.drop(&key);
                    self.unkept = true;
                    tracing::warn!("{error}; this Event is left out");
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Whether no failure asks to wait.
fn ready(attempts: &Attempts) -> bool {
    let now = Instant::now();
    attempts.earliest(now) <= now
}
