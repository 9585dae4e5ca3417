//! The node's conditions: when they are written, and the PATCH that writes them. Pure. Called by [`super`].

use crate::health::{Condition, Status};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A message that changes while its condition stands, such as one with a temperature in it, is written at most so often.
const MESSAGES: Duration = Duration::from_mins(1);
/// Changes that are written at once, one after another, before [`REFILL`] sets the pace: a kernel log that says ten thousand
/// things a second must not become writes.
const BURST: u32 = 6;
/// One more change may be written at once after each of these.
const REFILL: Duration = Duration::from_secs(10);

/// What was last written, and how much may be written now.
#[derive(Debug)]
pub(super) struct Written {
    conditions: Vec<Condition>,
    at: Option<Instant>,
    allowance: u32,
    refilled: Instant,
}

impl Written {
    /// Nothing yet.
    pub(super) fn nothing(now: Instant) -> Self {
        Self {
            conditions: Vec::new(),
            at: None,
            allowance: BURST,
            refilled: now,
        }
    }

    /// When these conditions are to be written: a change of what is the matter at once, as long as there are not too many of
    /// them; a change of words within a minute; the same once a heartbeat.
    pub(super) fn due(&self, conditions: &[Condition], now: Instant, heartbeat: Duration) -> Instant {
        let Some(at) = self.at else { return now };
        let same = |equal: fn(&Condition, &Condition) -> bool| {
            self.conditions.len() == conditions.len()
                && self.conditions.iter().zip(conditions).all(|(a, b)| equal(a, b))
        };
        if !same(|a, b| (a.kind, a.status, &a.reason) == (b.kind, b.status, &b.reason)) {
            let refilled = self.refilled + REFILL;
            if self.allowance > 0 { now } else { refilled.max(now) }
        } else if same(|a, b| a.message == b.message) {
            at + heartbeat
        } else {
            at + MESSAGES.min(heartbeat)
        }
    }

    /// They are written.
    pub(super) fn wrote(&mut self, conditions: &[Condition], now: Instant) {
        let refills = u32::try_from(now.duration_since(self.refilled).as_secs() / REFILL.as_secs()).unwrap_or(u32::MAX);
        if refills > 0 {
            self.allowance = self.allowance.saturating_add(refills).min(BURST);
            self.refilled = now;
        }
        self.allowance = self.allowance.saturating_sub(1);
        self.conditions = conditions.to_vec();
        self.at = Some(now);
    }

    /// When it was last written.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }
}

/// The body of a strategic-merge PATCH of a node's status.
pub(super) fn patch(conditions: &[Condition]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|condition| {
            json!({
                "type": condition.kind,
                "status": condition.status.as_str(),
                "reason": condition.reason,
                "message": condition.message,
                "lastTransitionTime": seconds(condition.last_transition),
                "lastHeartbeatTime": seconds(condition.last_heartbeat),
            })
        })
        .collect();
    json!({"status": {"conditions": conditions}})
}

/// Whether any condition is not known to be fine.
pub(super) fn open(conditions: &[Condition]) -> usize {
    conditions
        .iter()
        .filter(|condition| condition.status != Status::False)
        .count()
}

/// Kubernetes' `Time` has whole seconds.
pub(super) fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Duration = Duration::from_mins(5);

    fn condition(status: Status, message: &str) -> Condition {
        let at = Timestamp::from_second(1_000).unwrap();
        Condition {
            kind: "GPUHardwareProblem",
            status,
            reason: format!("Is{}", status.as_str()),
            message: message.to_owned(),
            last_transition: at,
            last_heartbeat: at,
        }
    }

    #[test]
    fn a_healthy_node_is_written_once_a_heartbeat_and_a_change_at_once() {
        let begun = Instant::now();
        let mut written = Written::nothing(begun);
        let fine = [condition(Status::False, "fine")];
        assert_eq!(written.due(&fine, begun, HEARTBEAT), begun);
        written.wrote(&fine, begun);
        let mut later = fine.clone();
        later[0].last_heartbeat = Timestamp::from_second(2_000).unwrap();
        assert_eq!(written.due(&later, begun, HEARTBEAT), begun + HEARTBEAT);
        let now = begun + Duration::from_secs(7);
        assert_eq!(written.due(&[condition(Status::True, "lost")], now, HEARTBEAT), now);
        let reworded = [condition(Status::False, "still fine")];
        assert_eq!(written.due(&reworded, now, HEARTBEAT), begun + MESSAGES);
    }

    #[test]
    fn a_condition_that_flaps_is_written_at_a_bounded_pace() {
        let begun = Instant::now();
        let mut written = Written::nothing(begun);
        let mut writes = 0;
        for tick in 0..6000_u32 {
            let now = begun + Duration::from_millis(100) * tick;
            let status = if tick % 2 == 0 { Status::True } else { Status::False };
            let conditions = [condition(status, "")];
            if written.due(&conditions, now, HEARTBEAT) <= now {
                written.wrote(&conditions, now);
                writes += 1;
            }
        }
        // Ten minutes.
        assert!(writes <= 60 + BURST, "{writes}");
        assert!(writes >= 50, "{writes}");
    }

    #[test]
    fn times_are_whole_seconds_and_true_is_a_problem() {
        let body = patch(&[condition(Status::True, "lost")]);
        let condition = &body["status"]["conditions"][0];
        assert_eq!(condition["lastTransitionTime"], "1970-01-01T00:16:40Z");
        assert_eq!(condition["status"], "True");
    }
}
