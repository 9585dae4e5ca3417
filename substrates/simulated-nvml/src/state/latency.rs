//! Calls that take time. Called by the ABI at the end of every call.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::scenario;

thread_local! {
    /// Whether this thread's sleeps end when they should.
    static PUNCTUAL: Cell<bool> = const { Cell::new(false) };
}

/// Sleeps for what is left of the time that the scenario gives this call, counted from `began`. Never spins: a client's processor time
/// stays its own.
pub(crate) fn spend(symbol: &str, began: Instant) {
    let microseconds = scenario().and_then(|scenario| Some(scenario.latency.as_ref()?.of(symbol)));
    let left = Duration::from_micros(microseconds.unwrap_or(0).into()).saturating_sub(began.elapsed());
    if !left.is_zero() {
        sleep(left);
    }
}

/// Linux wakes a sleeper up to its thread's timer slack late, 50 µs unless told otherwise (prctl(2), `PR_SET_TIMERSLACK`): a quarter of
/// a call of 200 µs. So a thread that calls a library with a latency has none from then on; told for each call, that would cost as much
/// processor time as all that the call does beside sleeping.
fn sleep(left: Duration) {
    if !PUNCTUAL.replace(true) {
        // SAFETY: this option takes an integer and touches nothing but the calling thread's slack.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    }
    std::thread::sleep(left);
}
