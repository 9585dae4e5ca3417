//! How long a pass is waited for: what tells a hung driver from a slow one. Pure but for the clock. Called by [`super::parent`].
//!
//! A hang is one call that does not come back within the deadline. A session's first pass may take longer as a whole, because a
//! driver without persistence mode initialises each GPU when the first client asks for it, one to three seconds each
//! (docs.nvidia.com/deploy/driver-persistence, read 2026-11-21); it is bounded all the same. Later passes ask GPUs that are
//! initialised, so the deadline is that of the whole pass too.

use super::progress::UnderWay;
use std::time::{Duration, Instant};

/// For each GPU that a session's first pass initialises.
const GPU: Duration = Duration::from_secs(3);
/// At most so much, whatever a driver counts: twenty GPUs, and the largest hosts have sixteen.
const MOST: Duration = Duration::from_mins(1);

/// The bounds of one pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    began: Instant,
    /// When the worker last said something.
    heard: Instant,
    deadline: Duration,
    whole: Duration,
    first: bool,
}

/// Why it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over {
    /// How long the call under way takes already.
    pub(super) call: Duration,
    /// The bound of the whole pass, where that was reached and no call's.
    pub(super) pass: Option<Duration>,
}

impl Patience {
    /// For a pass that begins now, on GPUs that are initialised.
    pub(super) fn new(deadline: Duration) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            heard: now,
            deadline,
            whole: deadline,
            first: false,
        }
    }

    /// It is a session's first, on so many GPUs as far as is known.
    pub(super) fn initialises(&mut self, gpus: usize) {
        self.first = true;
        self.counts(gpus);
    }

    /// The worker has said something.
    pub(super) fn hears(&mut self) {
        self.heard = Instant::now();
    }

    /// So many GPUs there are, NVML says.
    pub(super) fn counts(&mut self, gpus: usize) {
        if self.first {
            let gpus = u32::try_from(gpus).unwrap_or(u32::MAX);
            self.whole = self.whole.max(self.deadline + GPU.saturating_mul(gpus).min(MOST));
        }
    }

    /// How long one call may take.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether it is over, with the call that is under way now. Without one, the worker itself is what does not come on.
    pub(super) fn over(&self, under_way: Option<&UnderWay>) -> Option<Over> {
        let passed = self.began.elapsed();
        // No call of this pass is older than the pass.
        let call = under_way.map_or(self.heard.elapsed(), |it| it.age).min(passed);
        if call >= self.deadline {
            return Some(Over { call, pass: None });
        }
        (passed >= self.whole).then_some(Over {
            call,
            pass: Some(self.whole),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn call(age: Duration) -> UnderWay {
        UnderWay {
            call: "nvmlDeviceGetHandleByIndex_v2(0)".into(),
            since: Timestamp::now(),
            age,
        }
    }

    fn after(passed: Duration, deadline: u64) -> Patience {
        let mut patience = Patience::new(Duration::from_secs(deadline));
        patience.began = Instant::now().checked_sub(passed).unwrap();
        patience.heard = patience.began;
        patience
    }

    #[test]
    fn a_first_pass_may_take_three_seconds_more_a_gpu_and_no_call_of_it_more_than_the_deadline() {
        let mut patience = after(Duration::from_secs(20), 10);
        assert_eq!(
            patience.over(Some(&call(Duration::from_secs(1)))).unwrap().pass,
            Some(Duration::from_secs(10))
        );
        patience.initialises(0);
        patience.counts(8);
        assert_eq!(
            patience.over(Some(&call(Duration::from_secs(3)))),
            None,
            "slow is not hung"
        );
        let hung = patience.over(Some(&call(Duration::from_secs(11)))).unwrap();
        assert_eq!((hung.call.as_secs(), hung.pass), (11, None));
        assert_eq!(
            patience.over(None).unwrap().call.as_secs(),
            20,
            "a worker that never began"
        );
    }

    #[test]
    fn whatever_a_driver_counts_a_pass_is_over_after_a_minute_more() {
        let mut patience = after(Duration::from_secs(70), 10);
        patience.initialises(usize::MAX);
        let over = patience.over(Some(&call(Duration::from_millis(5)))).unwrap();
        assert_eq!(over.pass, Some(Duration::from_secs(70)));
    }
}
