//! What the journal hears of publishing: each trouble once when it begins and then every ten minutes, and its end. Called by
//! [`super::attempts`].

use super::refusal::PublishError;
use std::time::{Duration, Instant};

const AGAIN: Duration = Duration::from_mins(10);

/// The trouble that there is.
#[derive(Debug)]
pub(super) struct Report {
    what: &'static str,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    label: &'static str,
    since: Instant,
    told: Instant,
    failures: u64,
}

impl Report {
    /// No trouble with publishing `what`.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, trouble: None }
    }

    /// An attempt went through.
    pub(super) fn works(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            tracing::info!(
                "publishing {} to Kubernetes works again after {} s and {} failed attempts",
                self.what,
                trouble.since.elapsed().as_secs(),
                trouble.failures
            );
        }
    }

    /// An attempt did not.
    pub(super) fn fails(&mut self, error: &PublishError) {
        let now = Instant::now();
        let label = error.label();
        let trouble = self.trouble.get_or_insert(Trouble {
            label: "",
            since: now,
            told: now,
            failures: 0,
        });
        trouble.failures += 1;
        if trouble.label != label || now.duration_since(trouble.told) >= AGAIN {
            let seconds = now.duration_since(trouble.since).as_secs();
            tracing::warn!(
                "publishing {} to Kubernetes fails since {seconds} s [{label}]: {error}",
                self.what
            );
            trouble.label = label;
            trouble.told = now;
        }
    }
}
