//! Being the one that publishes for a node: taking its Lease, and handing it back at the end. Called by [`super`].

use super::super::api::{Api, NODES};
use super::super::lease::{self, Standing};
use super::super::refusal::{ApiError, PublishError};
use super::super::token::Token;
use super::Publisher;
use crate::daemon::State;
use jiff::{SignedDuration, Timestamp};
use std::time::Instant;

impl Publisher {
    /// Whether this agent is the node's publisher; it becomes it where nobody is.
    pub(super) async fn lead(
        &mut self,
        api: &Api,
        token: &Token,
        state: &State,
        now: Timestamp,
    ) -> Result<bool, PublishError> {
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
        let mut alive = None;
        if let Standing::Free(_) = standing {
            let object = api.get(token, "read this node", NODES, node).await?;
            let kinds: Vec<&str> = state.conditions.iter().map(|condition| condition.kind).collect();
            alive = lease::heartbeat(&object, &kinds);
            standing = lease::standing(&found, me, alive, now, silent_after);
        }
        match standing {
            Standing::Held => {}
            Standing::Free(ours) => {
                let what = "take this node's lease";
                api.replace(token, what, (&path, &name), &ours).await?;
                let why = if lease::holder(&found).is_empty() {
                    "nobody holds it"
                } else {
                    "its holder is silent"
                };
                tracing::info!("the lease {name} is taken: {why}");
                if let Some(until) = alive {
                    self.beside.takes_over(until);
                }
            }
            Standing::Taken { holder } => {
                if self.other.as_ref().is_none_or(|(before, _)| *before != holder) {
                    tracing::warn!(
                        "another agent ({holder}) publishes for this node, and this one ({me}) is silent; remove the DaemonSet or \
                         the unit, whichever is too much"
                    );
                }
                self.other = Some((holder, Instant::now()));
                self.published
                    .send_modify(|published| published.elsewhere(Timestamp::now()));
                return Ok(false);
            }
        }
        if self.other.take().is_some() {
            tracing::info!("this agent ({me}) publishes for this node from now on");
        }
        Ok(true)
    }

    /// Hands the Lease back, if it is this agent's. Where that fails it is taken from a holder that is silent, only later.
    pub(in super::super) async fn release(&mut self) {
        let Some(node) = self.leads.take() else { return };
        if let Err(error) = self.hand_back(&node, Timestamp::now()).await {
            tracing::warn!("the lease {} is not handed back: {error}", lease::name(&node));
        }
    }

    async fn hand_back(&self, node: &str, now: Timestamp) -> Result<(), PublishError> {
        let Some(api) = &self.api else { return Ok(()) };
        let token = self.token(node, now)?;
        let (path, name) = (lease::path(&self.config.namespace), lease::name(node));
        let found = api.get(&token, "read this node's lease", &path, &name).await?;
        if lease::holder(&found) == self.config.publisher.as_str() {
            let free = lease::released(&found, now);
            api.replace(&token, "hand this node's lease back", (&path, &name), &free)
                .await?;
        }
        Ok(())
    }
}
