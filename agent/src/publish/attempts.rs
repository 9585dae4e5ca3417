//! One kind of what is written, and when it is tried again after a failure: a kind that is refused holds up no other. What has
//! failed is told to the journal and counted here.
//!
//! Called by [`super::publisher`] and [`super::beside`].

use super::backoff::Backoff;
use super::published::Published;
use super::refusal::PublishError;
use super::report::Report;
use std::time::Instant;
use tokio::sync::watch;

/// How attempts at one kind of writing go.
#[derive(Debug)]
pub(super) struct Attempts {
    report: Report,
    backoff: Backoff,
    not_before: Option<Instant>,
    published: watch::Sender<Published>,
}

impl Attempts {
    /// None yet at publishing `what`.
    pub(super) fn new(what: &'static str, published: &watch::Sender<Published>) -> Self {
        Self {
            report: Report::new(what),
            backoff: Backoff::default(),
            not_before: None,
            published: published.clone(),
        }
    }

    /// `due`, or later where a failure asks for it.
    pub(super) fn earliest(&self, due: Instant) -> Instant {
        self.not_before.map_or(due, |earliest| due.max(earliest))
    }

    /// An attempt has ended.
    pub(super) fn ended(&mut self, done: Result<(), PublishError>) {
        match done {
            Ok(()) => {
                self.backoff.reset();
                self.not_before = None;
                self.report.works();
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + self.backoff.next(error.retry_after()));
                self.published.send_modify(|published| published.failed(error.label()));
                self.report.fails(&error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::refusal::ApiError;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_kind_that_fails_waits_alone_and_every_failure_is_counted() {
        let nothing = Published::nothing(Duration::from_mins(5), jiff::Timestamp::now());
        let (published, seen) = watch::channel(nothing);
        let (mut labels, events) = (Attempts::new("labels", &published), Attempts::new("Events", &published));
        let refused = || ApiError::Conflict {
            what: "label this node",
            message: "somebody's".to_owned(),
        };
        for _ in 0..8 {
            labels.ended(Err(refused().into()));
        }
        let now = Instant::now();
        assert!(
            labels.earliest(now) > now + Duration::from_secs(10),
            "it has failed eight times"
        );
        assert_eq!(events.earliest(now), now);
        assert!(seen.borrow().failures().any(|failure| failure == ("conflict", 8)));
        labels.ended(Ok(()));
        assert_eq!(labels.earliest(now), now);
    }
}
