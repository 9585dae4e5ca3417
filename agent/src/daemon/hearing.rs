//! Whether the kernel's log is heard: that its thread reads it, that the thread lives, and what was overwritten unread. Pure: told
//! the time. Called by [`super::xids`] and [`super::observer`].

use super::kernel_log::QUIET;
use crate::checks::WINDOW;
use std::time::{Duration, Instant};

/// A thread that has told nothing for so long reads no log any more: it tells something each [`QUIET`].
const UNHEARD: Duration = Duration::from_secs(3 * QUIET.as_secs());

/// What is known of the reading of the kernel's log.
#[derive(Debug)]
pub(super) struct Hearing {
    /// When the thread that reads it last told anything, or was started.
    heard: Instant,
    /// Whether it reads, or why not; nothing before it has told the first.
    reads: Option<Result<(), String>>,
    /// Records that were overwritten unread, of this opening of the log.
    lost: u64,
    /// And of all openings by this process.
    lost_ever: u64,
    /// When the last were lost, and how many since there had been none for as long as checks look back.
    lost_lately: Option<(Instant, u64)>,
}

impl Hearing {
    /// Nothing has been told yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            reads: None,
            lost: 0,
            lost_ever: 0,
            lost_lately: None,
        }
    }

    /// The thread has told an XID.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The thread has told that it reads and how many records were lost since it opened the log, or why it does not read; true
    /// when that is news.
    pub(super) fn told(&mut self, told: Result<u64, String>, now: Instant) -> bool {
        let before = self.reads(now);
        self.heard = now;
        let more = match &told {
            // Fewer than before: it was opened again.
            Ok(lost) if *lost < self.lost => *lost,
            Ok(lost) => lost - self.lost,
            Err(_) => 0,
        };
        self.lost = *told.as_ref().unwrap_or(&0);
        self.reads = Some(told.map(drop));
        if more > 0 {
            let lately = self.lost_lately(now);
            if lately == 0 {
                tracing::warn!("{more} record(s) of the kernel's log were overwritten before they were read");
            }
            self.lost_ever = self.lost_ever.saturating_add(more);
            self.lost_lately = Some((now, lately.saturating_add(more)));
        }
        before != self.reads(now) || more > 0
    }

    /// Whether an XID would have been heard of.
    pub(super) fn reads(&self, now: Instant) -> bool {
        matches!(self.reads, Some(Ok(()))) && self.unheard(now) <= UNHEARD
    }

    /// Why the log is not being read; absent while it is, and before anybody could.
    pub(super) fn trouble(&self, now: Instant) -> Option<String> {
        let unheard = self.unheard(now);
        match &self.reads {
            Some(Err(why)) => Some(why.clone()),
            _ if unheard > UNHEARD => Some(format!(
                "the agent's own thread that reads it has told nothing for {} s",
                unheard.as_secs()
            )),
            _ => None,
        }
    }

    /// Records that were lost, as long as the last loss is no longer ago than checks look back.
    pub(super) fn lost_lately(&self, now: Instant) -> u64 {
        let window = Duration::try_from(WINDOW).unwrap_or_default();
        let lately = self
            .lost_lately
            .filter(|(at, _)| now.saturating_duration_since(*at) < window);
        lately.map_or(0, |(_, lost)| lost)
    }

    /// And since the process began.
    pub(super) fn lost_ever(&self) -> u64 {
        self.lost_ever
    }

    fn unheard(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_thread_that_hangs_or_has_ended_reads_no_log() {
        let begun = Instant::now();
        let mut hearing = Hearing::new(begun);
        assert!(!hearing.reads(begun) && hearing.trouble(begun).is_none());
        assert!(hearing.told(Ok(0), begun), "it reads");
        assert!(!hearing.told(Ok(0), begun + 5 * SECOND), "no news");
        hearing.heard(begun + 10 * SECOND);
        assert!(hearing.reads(begun + 25 * SECOND));
        let late = begun + 26 * SECOND;
        assert!(!hearing.reads(late));
        assert!(hearing.trouble(late).unwrap().contains("16 s"), "{hearing:?}");
        assert!(hearing.told(Ok(0), late), "it reads again");
        assert!(hearing.reads(late) && hearing.trouble(late).is_none());
    }

    #[test]
    fn one_that_never_began_is_told_as_well() {
        let begun = Instant::now();
        let hearing = Hearing::new(begun);
        assert!(hearing.trouble(begun + 16 * SECOND).is_some());
    }

    #[test]
    fn why_it_cannot_be_read_is_told_until_it_can() {
        let begun = Instant::now();
        let mut hearing = Hearing::new(begun);
        assert!(!hearing.told(Err("no permission".to_owned()), begun));
        assert_eq!(hearing.trouble(begun).as_deref(), Some("no permission"));
        assert!(hearing.told(Ok(0), begun + 10 * SECOND));
        assert_eq!(hearing.trouble(begun + 10 * SECOND), None);
    }

    #[test]
    fn losses_are_counted_over_openings_and_told_for_a_while() {
        let begun = Instant::now();
        let mut hearing = Hearing::new(begun);
        hearing.told(Ok(0), begun);
        assert!(hearing.told(Ok(3), begun + SECOND));
        assert!(hearing.told(Ok(5), begun + 2 * SECOND));
        assert!(!hearing.told(Ok(5), begun + 3 * SECOND));
        hearing.told(Err("gone".to_owned()), begun + 4 * SECOND);
        hearing.told(Ok(2), begun + 5 * SECOND);
        assert_eq!((hearing.lost_lately(begun + 6 * SECOND), hearing.lost_ever()), (7, 7));
        let later = begun + 606 * SECOND;
        assert_eq!((hearing.lost_lately(later), hearing.lost_ever()), (0, 7));
        hearing.told(Ok(3), later);
        assert_eq!((hearing.lost_lately(later), hearing.lost_ever()), (1, 8));
    }
}
