//! The two clocks that the fold is told the time by. Read here and nowhere else, so that the fold stays pure. Called by
//! [`super::run`] and [`super::observer`].

use crate::health::Moment;
use jiff::Timestamp;
use std::time::Instant;

/// Begins with the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    since: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { since: Instant::now() }
    }

    pub(super) fn now(self) -> Moment {
        Moment {
            at: Timestamp::now(),
            steady: self.since.elapsed(),
        }
    }
}
