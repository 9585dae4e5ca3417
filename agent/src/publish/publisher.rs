//! One pass: the token, the Lease, and then whatever of conditions, labels, taint and Events is due, each in one request.
//!
//! Called by [`super::run`], which says when; nothing here waits for anything but an answer.

use super::api::{Api, NODES};
use super::conditions::{self, Written};
use super::events::{self, Due, Outbox};
use super::lease::{self, Standing};
use super::marks::{self, Marks, Taint};
use super::refusal::ApiError;
use super::token::{self, Token, TokenError};
use crate::daemon::{Kubernetes, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why a pass did not go through.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl PublishError {
    /// One word, for counting.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Api(error) => error.label(),
        }
    }

    /// How long the API server asked to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(_) => None,
            Self::Api(error) => error.retry_after(),
        }
    }
}

/// What has been written, and what is waiting.
pub(super) struct Publisher {
    config: Kubernetes,
    /// Where the token that somebody else has made may be.
    delivered: Vec<PathBuf>,
    renewed: PathBuf,
    api: Option<Api>,
    written: Written,
    marks: Option<Marks>,
    uid: String,
    /// The taint that the node was last seen or made to have.
    taint: Option<Taint>,
    outbox: Outbox,
    /// Who publishes for this node, and when that was last seen, where it is not this agent.
    other: Option<(String, Instant)>,
    /// When the token's renewal is tried again.
    renewal: Instant,
}

impl Publisher {
    /// Asks for nothing yet.
    pub(super) fn new(config: Kubernetes, state_directory: &Path, started: Timestamp) -> Self {
        let now = Instant::now();
        Self {
            delivered: token::delivered(&config.token_file, std::env::var_os("CREDENTIALS_DIRECTORY").as_deref()),
            renewed: token::renewed(state_directory),
            config,
            api: None,
            written: Written::nothing(now),
            marks: None,
            uid: String::new(),
            taint: None,
            outbox: Outbox::new(started, now),
            other: None,
            renewal: now,
        }
    }

    /// Takes in what has happened since, whether or not it can be told now.
    pub(super) fn note(&mut self, state: &State) {
        self.outbox.note(&state.transitions);
    }

    /// When the next pass has something to do.
    pub(super) fn due(&self, state: &State, now: Instant) -> Instant {
        let heartbeat = self.config.heartbeat.get();
        if let Some((_, seen)) = &self.other {
            return *seen + heartbeat;
        }
        let conditions = self.written.due(&state.conditions, now, heartbeat);
        let marks = self.marks.as_ref() != Some(&Marks::of(state));
        let taint = Taint::of(state, self.config.taints);
        let taint = taint != Taint::AsItIs && self.taint.as_ref() != Some(&taint);
        // Labels and taint change with conditions; alone they are not worth more than a write in ten seconds.
        let beside = self
            .written
            .at()
            .filter(|_| marks || taint)
            .map(|at| at + Duration::from_secs(10));
        let events = self.outbox.due(now);
        [beside, events].into_iter().flatten().fold(conditions, Ord::min)
    }

    /// Writes what is due.
    pub(super) async fn pass(&mut self, state: &State) -> Result<(), PublishError> {
        let now = Timestamp::now();
        let node = state.node_name.as_str();
        let renewed = self.config.renew.then_some(self.renewed.as_path());
        let files: Vec<&Path> = self.delivered.iter().map(PathBuf::as_path).chain(renewed).collect();
        let token = Token::newest(&files, node, now)?;
        let api = match self.api.take() {
            Some(api) => api,
            None => Api::new(&self.config.api_server, &self.config.ca_file)?,
        };
        let done = self.write(&api, &token, state, now).await;
        self.api = Some(api);
        done
    }

    async fn write(&mut self, api: &Api, token: &Token, state: &State, now: Timestamp) -> Result<(), PublishError> {
        let node = state.node_name.as_str();
        self.note(state);
        self.renew(api, token, node, now).await;
        if self.uid.is_empty() {
            let object = api.get(token, "read this node", NODES, node).await?;
            object["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut self.uid);
        }
        if !self.lead(api, token, state, now).await? {
            return Ok(());
        }
        let mut marked = None;
        let instant = Instant::now();
        if self
            .written
            .due(&state.conditions, instant, self.config.heartbeat.get())
            <= instant
        {
            let body = conditions::patch(&state.conditions);
            let what = "write this node's conditions";
            let metadata = api.patch_status(token, what, node, &body).await?;
            self.written.wrote(&state.conditions, Instant::now());
            tracing::debug!("conditions written, {} not fine", conditions::open(&state.conditions));
            marked = Some(metadata);
        }
        self.mark(api, token, state, marked.as_ref()).await?;
        self.tell(api, token, node).await
    }

    /// Renews the token at half its life. One that cannot be renewed is still good for the other half.
    async fn renew(&mut self, api: &Api, token: &Token, node: &str, now: Timestamp) {
        let instant = Instant::now();
        if !self.config.renew || now < token.renewal() || instant < self.renewal {
            return;
        }
        let (path, account) = token.account();
        let what = "ask for the next token";
        let answer = api
            .create_beneath(token, what, (&path, account, "token"), &token.request(node))
            .await;
        let kept = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| token::keep(&answer, &self.renewed));
        match kept {
            Ok(next) => tracing::info!("the token is renewed and good until {}", next.expires),
            Err(cause) => {
                // Often enough before the other half of its life is over, whatever that is.
                let left = u64::try_from(token.expires.as_second() - now.as_second()).unwrap_or_default();
                self.renewal = instant + Duration::from_secs((left / 10).clamp(1, 600));
                tracing::warn!("the token, good until {}, is not renewed: {cause}", token.expires);
            }
        }
    }

    /// Whether this agent is the node's publisher; it becomes it where nobody is.
    async fn lead(&mut self, api: &Api, token: &Token, state: &State, now: Timestamp) -> Result<bool, PublishError> {
        let node = state.node_name.as_str();
        let (path, name) = (lease::path(&self.config.namespace), lease::name(node));
        let me = self.config.publisher.as_str();
        let silent_after = SignedDuration::try_from(self.config.heartbeat.get() * 2).unwrap_or(SignedDuration::MAX);
        let found = match api.get(token, "read this node's lease", &path, &name).await {
            Ok(found) => found,
            Err(ApiError::NotFound { .. }) => {
                let ours = lease::new(node, &self.config.namespace, &self.uid, me, now, silent_after);
                api.create(token, "make this node's lease", &path, &ours).await?;
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        };
        let mut standing = lease::standing(&found, me, None, now, silent_after);
        if let Standing::Free(_) = standing {
            let object = api.get(token, "read this node", NODES, node).await?;
            let kinds: Vec<&str> = state.conditions.iter().map(|condition| condition.kind).collect();
            let alive = lease::heartbeat(&object, &kinds);
            standing = lease::standing(&found, me, alive, now, silent_after);
        }
        match standing {
            Standing::Held => {}
            Standing::Free(ours) => {
                let what = "take this node's lease";
                api.replace(token, what, (&path, &name), &ours).await?;
                tracing::info!("the lease {name} is taken: its holder is silent");
            }
            Standing::Taken { holder } => {
                if self.other.as_ref().is_none_or(|(before, _)| *before != holder) {
                    tracing::warn!(
                        "another agent ({holder}) publishes for this node, and this one ({me}) is silent; remove the DaemonSet or \
                         the unit, whichever is too much"
                    );
                }
                self.other = Some((holder, Instant::now()));
                return Ok(false);
            }
        }
        if self.other.take().is_some() {
            tracing::info!("this agent ({me}) publishes for this node from now on");
        }
        Ok(true)
    }

    /// Labels, annotation and taint, where they are not as they should be. `seen` is the node's metadata, just read.
    async fn mark(
        &mut self,
        api: &Api,
        token: &Token,
        state: &State,
        seen: Option<&Value>,
    ) -> Result<(), PublishError> {
        let node = state.node_name.as_str();
        let wanted = Marks::of(state);
        if let Some(seen) = seen {
            let uid = seen["metadata"]["uid"].as_str().unwrap_or_default();
            if uid != self.uid {
                // The Node was made anew, and knows nothing of what the old one carried.
                uid.clone_into(&mut self.uid);
                self.taint = None;
            }
            self.marks = wanted.on(seen).then(|| wanted.clone());
        }
        if self.marks.as_ref() != Some(&wanted) {
            let what = "label this node";
            api.apply(token, what, node, &wanted.apply(node)).await?;
            self.marks = Some(wanted);
        }
        let taint = Taint::of(state, self.config.taints);
        if taint != Taint::AsItIs && self.taint.as_ref() != Some(&taint) {
            let object = api.get(token, "read this node", NODES, node).await?;
            if let Some(patch) = marks::taint_patch(&object, taint.value()) {
                api.merge(token, "taint this node", (NODES, node), &patch).await?;
            }
            self.taint = Some(taint);
        }
        Ok(())
    }

    /// Events.
    async fn tell(&mut self, api: &Api, token: &Token, node: &str) -> Result<(), PublishError> {
        while let Some((key, due)) = self.outbox.next(Instant::now(), node, &self.uid) {
            let what = "write an Event about this node";
            let written = match &due {
                Due::Create(event) => api.create(token, what, events::PATH, event).await,
                Due::Count(name, patch) => api.merge(token, what, (events::PATH, name), patch).await,
            };
            match (written, due) {
                // It was written before, and the answer was lost.
                (Ok(_), _) | (Err(ApiError::Conflict { .. }), Due::Create(_)) => self.outbox.told(&key),
                (Err(ApiError::NotFound { .. }), Due::Count(..)) => self.outbox.gone(&key),
                (Err(error @ ApiError::Refused { code: 400 | 422, .. }), _) => {
                    self.outbox.drop(&key);
                    tracing::warn!("{error}; this Event is left out");
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
