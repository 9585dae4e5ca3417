//! What a step has of the world besides the machine: the run's values, the artifact store, and a voice for long waits.

use super::StepError;
use crate::apply::Layout;
use crate::store::ArtifactStore;
use crate::values::Values;
use bedplate_protocol::Mode;
use bedplate_protocol::plan::{Content, Part};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often a wait says that it goes on.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Made by the executor for one run.
pub(crate) struct Context<'a> {
    /// Where the host's files lie; `/` but in tests.
    pub(crate) layout: &'a Layout,
    /// Whether anything may be changed.
    pub(crate) mode: Mode,
    /// The run's values.
    pub(crate) values: &'a Values,
    /// The host's artifacts.
    pub(crate) store: &'a ArtifactStore,
    /// Says what is waited for, and since when.
    pub(crate) waiting: &'a dyn Fn(&str, Timestamp),
}

impl Context<'_> {
    /// The host's path for this absolute path of the plan.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.layout.at(path)
    }

    /// The text with its values in it. Never log it.
    pub(crate) fn resolve(&self, content: &Content) -> Result<String, StepError> {
        let mut text = String::new();
        for part in &content.0 {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::ValueRef(name) => match self.values.get(name) {
                    Some(value) => text.push_str(value.expose()),
                    None => return Err(StepError::Value { name: name.clone() }),
                },
            }
        }
        Ok(text)
    }

    /// Asks `ready` every `interval` until it says yes. It answers what it saw instead; that is told when `limit` is over.
    pub(crate) fn wait(
        &self,
        what: &str,
        limit: Duration,
        interval: Duration,
        cure: &str,
        mut ready: impl FnMut() -> Result<(), String>,
    ) -> Result<(), StepError> {
        let (since, begun) = (Timestamp::now(), Instant::now());
        let mut said: Option<Instant> = None;
        loop {
            let Err(last) = ready() else { return Ok(()) };
            if begun.elapsed() >= limit {
                let (what, cure) = (what.to_owned(), cure.to_owned());
                return Err(StepError::Timeout {
                    what,
                    seconds: limit.as_secs(),
                    last,
                    cure,
                });
            }
            if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                (self.waiting)(what, since);
                said = Some(Instant::now());
            }
            thread::sleep(interval);
        }
    }
}
