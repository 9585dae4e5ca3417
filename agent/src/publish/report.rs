//! What the journal hears of publishing: each trouble once when it begins and then every ten minutes, and its end. Called by
//! [`super`].

use super::publisher::PublishError;
use std::time::{Duration, Instant};

const AGAIN: Duration = Duration::from_mins(10);

/// The trouble that there is.
#[derive(Debug, Default)]
pub(super) struct Report {
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
    /// A pass went through.
    pub(super) fn works(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            tracing::info!(
                "publishing to Kubernetes works again after {} s and {} failed attempts; the newest state is written",
                trouble.since.elapsed().as_secs(),
                trouble.failures
            );
        }
    }

    /// A pass did not.
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
            tracing::warn!("publishing to Kubernetes fails since {seconds} s [{label}]: {error}");
            trouble.label = label;
            trouble.told = now;
        }
    }
}
