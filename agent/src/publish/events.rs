//! Events: one for each kind of change of a finding, counted up when it happens again. Pure. Called by [`super`].

use super::lease::micros;
use super::told::Told;
use crate::health::{Change, Transition};
use bedplate_protocol::Severity;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Events about a Node, which has no namespace, are in this one.
pub(super) const PATH: &str = "/apis/events.k8s.io/v1/namespaces/default/events";
/// Kinds of changes that are remembered; the longest untouched goes first.
const REMEMBERED: usize = 64;
/// An API server forgets an Event after an hour (`--event-ttl`, Kubernetes 1.36.3); the next one of its kind is a new one.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(55);
/// Events that are written at once; after them one in each of [`REFILL`].
const BURST: u32 = 10;
const REFILL: Duration = Duration::from_secs(30);
/// A note's length that Kubernetes takes (`pkg/apis/core/validation/events.go`, 1.36.3).
const NOTE: usize = 1024;

/// What is to be written, and what has been.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The number of the first change that has not been taken in.
    next: u64,
    /// Numbers of earlier ones that an earlier run could not tell.
    earlier: BTreeSet<u64>,
    kinds: BTreeMap<(String, String), Kind>,
    allowance: u32,
    refilled: Instant,
}

#[derive(Debug)]
struct Kind {
    newest: Transition,
    first: Timestamp,
    count: u64,
    /// How many the API server knows of; 0 where it has no such Event.
    told: u64,
    /// The numbers of the changes that are not told yet, as far as a restart would find them again.
    untold: BTreeSet<u64>,
}

/// One request.
#[derive(Debug, PartialEq)]
pub(super) enum Due {
    /// A new Event.
    Create(Value),
    /// The name of an Event and the patch that counts it up.
    Count(String, Value),
}

impl Outbox {
    /// Goes on from what earlier runs have `told`.
    pub(super) fn new(told: Told, now: Instant) -> Self {
        Self {
            next: told.next,
            earlier: told.untold,
            kinds: BTreeMap::new(),
            allowance: BURST,
            refilled: now,
        }
    }

    /// Takes in what has happened since it was last called.
    pub(super) fn note(&mut self, transitions: &[Transition]) {
        let earlier = std::mem::take(&mut self.earlier);
        for transition in transitions {
            if transition.sequence < self.next && !earlier.contains(&transition.sequence) {
                continue;
            }
            self.next = self.next.max(transition.sequence + 1);
            if transition.severity == Severity::Info {
                continue;
            }
            let key = (transition.reason(), transition.subject.clone());
            let kind = match self.kinds.remove(&key) {
                Some(mut kind)
                    if kind.told < kind.count || transition.at.duration_since(kind.newest.at) < FORGOTTEN =>
                {
                    kind.count += 1;
                    kind.newest = transition.clone();
                    kind
                }
                _ => Kind::first(transition.clone()),
            };
            let kind = self.kinds.entry(key).or_insert(kind);
            kind.untold.insert(transition.sequence);
            while kind.untold.len() > Transition::KEPT {
                kind.untold.pop_first();
            }
            if self.kinds.len() > REMEMBERED {
                // By number: a clock that was set back makes no news old.
                let oldest = self.kinds.iter().min_by_key(|(_, kind)| kind.newest.sequence);
                if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                    self.kinds.remove(&key);
                }
            }
        }
    }

    /// What need not be told again after a restart.
    pub(super) fn so_far(&self) -> Told {
        let untold = self.kinds.values().flat_map(|kind| &kind.untold).chain(&self.earlier);
        // A restart finds the newest changes only.
        let found = self.next.saturating_sub(Transition::KEPT as u64);
        Told::new(self.next, untold.copied().filter(|number| *number >= found).collect())
    }

    /// When the next one may be written; none where there is none.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let waits = self.kinds.values().any(|kind| kind.told < kind.count);
        waits.then(|| {
            if self.allowance > 0 {
                now
            } else {
                (self.refilled + REFILL).max(now)
            }
        })
    }

    /// The oldest that is to be written, and what identifies it.
    pub(super) fn next(&mut self, now: Instant, node: &str, uid: &str) -> Option<((String, String), Due)> {
        let refills = u32::try_from(now.duration_since(self.refilled).as_secs() / REFILL.as_secs()).unwrap_or(u32::MAX);
        if refills > 0 {
            self.allowance = self.allowance.saturating_add(refills).min(BURST);
            self.refilled = now;
        }
        if self.allowance == 0 {
            return None;
        }
        let waiting = self.kinds.iter().filter(|(_, kind)| kind.told < kind.count);
        let (key, kind) = waiting.min_by_key(|(_, kind)| kind.newest.sequence)?;
        let series = json!({"count": kind.count, "lastObservedTime": micros(kind.newest.at)});
        let due = if kind.told == 0 {
            Due::Create(kind.event(node, uid, (kind.count > 1).then_some(series)))
        } else {
            Due::Count(kind.name(node), json!({"series": series}))
        };
        Some((key.clone(), due))
    }

    /// The API server knows of it.
    pub(super) fn told(&mut self, key: &(String, String)) {
        self.allowance = self.allowance.saturating_sub(1);
        if let Some(kind) = self.kinds.get_mut(key) {
            kind.told = kind.count;
            kind.untold.clear();
        }
    }

    /// Another agent has published for this node and gave its last sign of life at `until`: what had happened by then, it has told.
    /// What happens again is counted up on its Event where that has our name, and is a new one otherwise ([`Self::gone`]).
    pub(super) fn told_by_another(&mut self, until: Timestamp) {
        for kind in self.kinds.values_mut().filter(|kind| kind.newest.at <= until) {
            kind.told = kind.count;
            kind.untold.clear();
        }
    }

    /// The API server has no such Event any more.
    pub(super) fn gone(&mut self, key: &(String, String)) {
        if let Some(kind) = self.kinds.get_mut(key) {
            kind.told = 0;
            kind.first = kind.newest.at;
        }
    }

    /// It is refused for good: another try would be refused as well.
    pub(super) fn drop(&mut self, key: &(String, String)) {
        self.allowance = self.allowance.saturating_sub(1);
        self.kinds.remove(key);
    }
}

impl Kind {
    /// One that has not happened before.
    fn first(transition: Transition) -> Self {
        Self {
            first: transition.at,
            newest: transition,
            count: 1,
            told: 0,
            untold: BTreeSet::new(),
        }
    }

    /// The same for the same kind and beginning, so that an Event whose answer was lost is not written twice.
    fn name(&self, node: &str) -> String {
        let what = format!(
            "{} {} {}",
            self.newest.reason(),
            self.newest.subject,
            micros(self.first)
        );
        let digest = hex::encode(Sha256::digest(what.as_bytes()));
        format!("{node}.{}", &digest[..16])
    }

    fn event(&self, node: &str, uid: &str, series: Option<Value>) -> Value {
        let Transition {
            subject,
            message,
            change,
            action,
            ..
        } = &self.newest;
        let cure = action.map(|action| format!(" ({action})")).unwrap_or_default();
        let mut note = format!("{subject}: {message}{cure}");
        while note.len() > NOTE {
            note.pop();
        }
        let mut event = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": self.name(node), "namespace": "default"},
            "eventTime": micros(self.first),
            "reportingController": "bedplate.dev/agent",
            "reportingInstance": node,
            "action": "Observe",
            "reason": self.newest.reason(),
            "type": if *change == Change::Raised { "Warning" } else { "Normal" },
            "note": note,
            "regarding": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid},
        });
        if let Some(series) = series {
            event["series"] = series;
        }
        event
    }
}

#[cfg(test)]
mod tests;
