//! Calls that take time. Called by the ABI at the end of every call.

use std::time::{Duration, Instant};

use super::scenario;

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
/// a call of 200 µs. The slack is the thread's again afterwards.
fn sleep(left: Duration) {
    // SAFETY: these two options take and give integers and touch nothing but the calling thread's slack.
    let slack = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    std::thread::sleep(left);
    if slack > 0 {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack) };
    }
}
