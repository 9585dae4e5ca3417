//! Whether what this agent says reaches Kubernetes, for its own metrics: when the node's conditions were last written, and what
//! has failed since it began.
//!
//! Data only, and none of it survives a restart. Written by [`super::attempts`] and [`super::publisher`], read by
//! [`crate::serve`].

use super::refusal::PublishError;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// How publishing stands.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    heartbeat: Duration,
    /// When all was well: the conditions were written, or another agent was seen to hold the node's Lease. Before either, when
    /// this agent began, so that one that never gets through is noticed as well.
    last: Timestamp,
    elsewhere: bool,
    failures: BTreeMap<&'static str, u64>,
}

impl Published {
    /// Nothing written and nothing failed.
    pub(crate) fn nothing(heartbeat: Duration, now: Timestamp) -> Self {
        Self {
            heartbeat,
            last: now,
            elsewhere: false,
            failures: PublishError::REASONS.iter().map(|reason| (*reason, 0)).collect(),
        }
    }

    /// The conditions are written.
    pub(super) fn wrote(&mut self, now: Timestamp) {
        self.last = now;
        self.elsewhere = false;
    }

    /// Another agent holds the node's Lease: this one is to write nothing.
    pub(super) fn elsewhere(&mut self, now: Timestamp) {
        self.last = now;
        self.elsewhere = true;
    }

    /// A request has failed.
    pub(super) fn failed(&mut self, reason: &'static str) {
        *self.failures.entry(reason).or_default() += 1;
    }

    /// When the conditions were last written, and how often they are to be. None while another agent holds the node's Lease,
    /// unless that was last seen so long ago that it may hold no more.
    pub(crate) fn last(&self, now: Timestamp) -> Option<(Timestamp, Duration)> {
        let silent_after = SignedDuration::try_from(self.heartbeat * 2).unwrap_or(SignedDuration::MAX);
        let theirs = self.elsewhere && now.duration_since(self.last) <= silent_after;
        (!theirs).then_some((self.last, self.heartbeat))
    }

    /// How many requests have failed, by reason.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.failures.iter().map(|(reason, count)| (*reason, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Duration = Duration::from_mins(5);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_agent_that_never_gets_through_is_as_old_as_its_process() {
        let mut published = Published::nothing(HEARTBEAT, at(100));
        published.failed("token");
        assert_eq!(published.last(at(10_000)), Some((at(100), HEARTBEAT)));
        assert!(published.failures().any(|failure| failure == ("token", 1)));
        assert!(published.failures().any(|failure| failure == ("conflict", 0)));
    }

    #[test]
    fn an_agent_that_stands_by_owes_nothing_for_as_long_as_it_sees_the_other_one() {
        let mut published = Published::nothing(HEARTBEAT, at(0));
        published.elsewhere(at(1000));
        assert_eq!(published.last(at(1600)), None);
        assert_eq!(
            published.last(at(1601)),
            Some((at(1000), HEARTBEAT)),
            "nobody has looked since"
        );
        published.elsewhere(at(1700));
        assert_eq!(published.last(at(1701)), None);
        published.wrote(at(2000));
        assert_eq!(published.last(at(2001)), Some((at(2000), HEARTBEAT)));
    }
}
