//! What the library keeps: the scenario as last read, whether it is initialised, and its event sets. Called by the ABI's functions.
//!
//! The scenario is found from the library's own real path and nothing else, so that it travels with the library into a container.

mod changes;
mod events;
mod file;
mod latency;

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use changes::Changes;
pub(crate) use latency::spend;

pub(crate) use events::{Registered, create_set, free_set, next_event, register, spoil};

use crate::board::Board;
use crate::scenario::{Forever, Hang, HangTime, Scenario};

static FILE: Mutex<file::Source> = Mutex::new(file::Source::new());
static INITIALISED: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static CALL: RefCell<Call> = const { RefCell::new(Call::None) };
}

/// The call that this thread is in.
enum Call {
    /// None.
    None,
    /// One that has not looked at the scenario yet.
    Begun,
    /// One that has.
    Looked(Arc<Current>),
}

/// How often a hanging call looks at the scenario again, and a waiting one that nothing tells of changes.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The scenario as last read, and when it was written: where series begin.
pub(crate) struct Current {
    scenario: Scenario,
    written: SystemTime,
}

impl Deref for Current {
    type Target = Scenario;

    fn deref(&self) -> &Scenario {
        &self.scenario
    }
}

impl Current {
    /// The GPU at this position, as it is now.
    pub(crate) fn board(&self, position: usize) -> Option<Board<'_>> {
        // A file from the future is one whose series have not begun.
        let since = SystemTime::now().duration_since(self.written).unwrap_or_default();
        Board::at(&self.scenario, position, since)
    }
}

/// One call of a client. It looks at the scenario's file once, however often it asks for the scenario: a look costs more than the
/// rest of a call does.
pub(crate) fn call<T>(work: impl FnOnce() -> T) -> T {
    CALL.set(Call::Begun);
    let answer = work();
    CALL.set(Call::None);
    answer
}

/// The scenario as it is now, or was at this call's first look; `None` when there is none that can be used, which the library has then
/// said on stderr.
pub(crate) fn scenario() -> Option<Arc<Current>> {
    let look = || FILE.lock().unwrap_or_else(PoisonError::into_inner).current();
    CALL.with_borrow_mut(|call| match call {
        Call::None => look(),
        Call::Looked(seen) => Some(Arc::clone(seen)),
        Call::Begun => {
            let seen = look()?;
            *call = Call::Looked(Arc::clone(&seen));
            Some(seen)
        }
    })
}

/// Counts one `nvmlInit`.
pub(crate) fn initialise() {
    INITIALISED.fetch_add(1, Ordering::SeqCst);
}

/// Counts one `nvmlShutdown`; false when there was no `nvmlInit` left to undo.
pub(crate) fn shut_down() -> bool {
    INITIALISED
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1))
        .is_ok()
}

/// Whether a client has initialised the library.
pub(crate) fn is_initialised() -> bool {
    INITIALISED.load(Ordering::SeqCst) > 0
}

/// Waits while the scenario has this call hang: until its time is over, or until the scenario no longer says so. `forever` is what a
/// driver stuck in the kernel does; clients are expected to bound it themselves. A scenario that was taken away hangs nobody any more.
pub(crate) fn hang(symbol: &str, wanted: impl Fn(&Scenario) -> Option<&Hang>) {
    let since = Instant::now();
    loop {
        let Some(scenario) = scenario() else { return };
        let Some(hang) = wanted(&scenario).filter(|hang| hang.call.is(symbol)) else {
            return;
        };
        let left = match hang.seconds {
            HangTime::Always(Forever::Forever) => LOOK_AGAIN,
            HangTime::For(seconds) => Duration::from_secs(seconds).saturating_sub(since.elapsed()),
        };
        let taken_away = FILE.lock().unwrap_or_else(PoisonError::into_inner).is_gone();
        if left.is_zero() || taken_away {
            return;
        }
        thread::sleep(left.min(LOOK_AGAIN));
        CALL.set(Call::Begun);
    }
}
