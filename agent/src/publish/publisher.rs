//! One pass: the token and the Lease, then the conditions if they are due, and then what a node carries beside them. Where token
//! or Lease cannot be had nothing is written; otherwise none waits for another that is refused.
//!
//! Called by [`super::run`], which says when; nothing here waits for anything but an answer.

mod lead;

use super::api::{Api, NODES};
use super::attempts::Attempts;
use super::beside::Beside;
use super::conditions::{self, Written};
use super::published::Published;
use super::refusal::PublishError;
use super::token::{self, Token, TokenError};
use crate::daemon::{Kubernetes, State};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often an agent that stands by looks whether it is to publish: as long as nobody does, the node looks silent sooner or later.
const STAND_BY: Duration = Duration::from_secs(10);

/// What is written, and what is waiting.
pub(crate) struct Publisher {
    config: Kubernetes,
    /// Where the token that somebody else has made may be.
    delivered: Vec<PathBuf>,
    renewed: PathBuf,
    api: Option<Api>,
    uid: String,
    /// Who publishes for this node, and when that was last seen, where it is not this agent.
    other: Option<(String, Instant)>,
    /// The node whose Lease this agent holds, as far as it knows.
    leads: Option<String>,
    /// When the token's renewal is tried again.
    renewal: Instant,
    /// Token and Lease.
    entry: Attempts,
    written: Written,
    conditions: Attempts,
    beside: Beside,
    published: watch::Sender<Published>,
}

/// What each request of a pass takes.
pub(super) struct Session {
    pub(super) api: Api,
    pub(super) token: Token,
    pub(super) node: String,
    /// The Node object's.
    pub(super) uid: String,
}

impl Publisher {
    /// Asks for nothing yet. `begun` is the number of this process' first own change of a finding.
    pub(crate) fn open(config: Kubernetes, state_directory: &Path, begun: u64) -> Self {
        let now = Instant::now();
        let nothing = Published::nothing(config.heartbeat.get(), Timestamp::now());
        let (published, _) = watch::channel(nothing);
        Self {
            delivered: token::delivered(&config.token_file, std::env::var_os("CREDENTIALS_DIRECTORY").as_deref()),
            renewed: token::renewed(state_directory),
            api: None,
            uid: String::new(),
            other: None,
            leads: None,
            renewal: now,
            entry: Attempts::new("anything", &published),
            written: Written::nothing(now),
            conditions: Attempts::new("conditions", &published),
            beside: Beside::open(&config, state_directory, begun, &published),
            config,
            published,
        }
    }

    /// How publishing stands, from now on.
    pub(crate) fn published(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    /// Takes in what has happened since, whether or not it can be told now.
    pub(super) fn note(&mut self, state: &State) {
        self.beside.note(state);
    }

    /// When the next pass has something to do.
    pub(super) fn due(&self, state: &State, now: Instant) -> Instant {
        let heartbeat = self.config.heartbeat.get();
        let due = if let Some((_, seen)) = &self.other {
            *seen + heartbeat.min(STAND_BY)
        } else {
            let conditions = conditions_due(&self.written, &self.conditions, state, now, heartbeat);
            let beside = self.beside.due(state, now, self.written.at());
            beside.map_or(conditions, |beside| conditions.min(beside))
        };
        self.entry.earliest(due)
    }

    /// Writes what is due. What stands beside the conditions is broken off when they have news: a request of theirs that gets
    /// no answer must not hold those up.
    pub(super) async fn pass(&mut self, states: &mut watch::Receiver<Arc<State>>) {
        let state = states.borrow_and_update().clone();
        self.note(&state);
        let (session, done) = match self.enter(&state, Timestamp::now()).await {
            Ok(session) => (session, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.entry.ended(done);
        // Without one, another agent publishes, or nothing can be.
        let Some(mut session) = session else { return };
        self.write_conditions(&mut session, &state).await;
        let heartbeat = self.config.heartbeat.get();
        let Self {
            beside,
            written,
            conditions,
            ..
        } = self;
        tokio::select! {
            () = beside.write(&session, &state) => {}
            () = news(states, written, conditions, heartbeat) => {}
        }
    }

    /// What a pass takes; none where another agent publishes for this node.
    async fn enter(&mut self, state: &State, now: Timestamp) -> Result<Option<Session>, PublishError> {
        let node = state.node_name.as_str();
        let token = self.token(node, now)?;
        let api = match &self.api {
            Some(api) => api.clone(),
            None => Api::new(&self.config.api_server, &self.config.ca_file)?,
        };
        self.api = Some(api.clone());
        self.renew(&api, &token, node, now).await;
        if self.uid.is_empty() {
            let object = api.get(&token, "read this node", NODES, node).await?;
            object["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut self.uid);
        }
        let leads = self.lead(&api, &token, state, now).await?;
        self.leads = leads.then(|| node.to_owned());
        Ok(leads.then(|| Session {
            api,
            token,
            node: node.to_owned(),
            uid: self.uid.clone(),
        }))
    }

    fn token(&self, node: &str, now: Timestamp) -> Result<Token, TokenError> {
        let renewed = self.config.renew.then_some(self.renewed.as_path());
        let files: Vec<&Path> = self.delivered.iter().map(PathBuf::as_path).chain(renewed).collect();
        Token::newest(&files, node, now)
    }

    /// The conditions, if they are due.
    async fn write_conditions(&mut self, session: &mut Session, state: &State) {
        let (now, heartbeat) = (Instant::now(), self.config.heartbeat.get());
        if conditions_due(&self.written, &self.conditions, state, now, heartbeat) > now {
            return;
        }
        let body = conditions::patch(&state.conditions);
        let what = "write this node's conditions";
        let answer = session
            .api
            .patch_status(&session.token, what, &session.node, &body)
            .await;
        let done = answer.map(|metadata| {
            self.written.wrote(&state.conditions, Instant::now());
            self.published
                .send_modify(|published| published.wrote(Timestamp::now()));
            tracing::debug!("conditions written, {} not fine", conditions::open(&state.conditions));
            self.beside.seen(&metadata, state);
            let uid = metadata["metadata"]["uid"].as_str().unwrap_or_default();
            if uid != self.uid {
                uid.clone_into(&mut self.uid);
                uid.clone_into(&mut session.uid);
                self.beside.forget();
            }
        });
        self.conditions.ended(done.map_err(PublishError::from));
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
        let kept = match answer {
            Ok(answer) => token::keep(&answer, &self.renewed),
            Err(error) => {
                self.published.send_modify(|published| published.failed(error.label()));
                Err(error.to_string())
            }
        };
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
}

/// When the conditions are to be written, or tried again.
fn conditions_due(written: &Written, attempts: &Attempts, state: &State, now: Instant, heartbeat: Duration) -> Instant {
    attempts.earliest(written.due(&state.conditions, now, heartbeat))
}

/// Until the conditions are due, or nobody makes states any more.
async fn news(states: &mut watch::Receiver<Arc<State>>, written: &Written, attempts: &Attempts, heartbeat: Duration) {
    loop {
        let due = conditions_due(
            written,
            attempts,
            &states.borrow_and_update(),
            Instant::now(),
            heartbeat,
        );
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => return,
            changed = states.changed() => if changed.is_err() { return },
        }
    }
}
