//! How long to leave the API server alone: longer after each failure, and never in step with other agents. Called by [`super`].

use rand::Rng as _;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
/// An API server that comes back is told the news within this.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// After a failure: half to all of a time that doubles, and no less than the API server asked for, up to ten minutes.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let wait = longest.mul_f64(rand::rng().random_range(0.5..=1.0));
        wait.max(asked.unwrap_or_default().min(Duration::from_mins(10)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..100).map(|_| backoff.next(None)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2, "{:?}", waits[0]);
        assert!(
            waits
                .iter()
                .skip(10)
                .all(|wait| *wait <= LONGEST && *wait >= LONGEST / 2)
        );
        assert!(
            waits.iter().skip(10).any(|wait| *wait != waits[10]),
            "no two agents keep step"
        );
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
        assert_eq!(backoff.next(Some(Duration::from_mins(1))), Duration::from_mins(1));
    }
}
