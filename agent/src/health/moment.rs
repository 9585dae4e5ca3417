//! A moment by two clocks. Data; the daemon reads the clocks, [`super::Fold`] is told.

use jiff::Timestamp;
use std::time::Duration;

/// When something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// By the clock on the wall, which people and time services set, forwards and back: for what is shown, and for dates that
    /// people have written.
    pub(crate) at: Timestamp,
    /// By a clock that nobody sets, from any beginning within one process: for how long something has been silent.
    pub(crate) steady: Duration,
}
