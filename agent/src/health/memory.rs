//! What the fold remembers, and what of it survives a restart. Data only; written and read by [`crate::daemon`].

use super::sight::Era;
use super::{Condition, Sense, Status, Transition};
use bedplate_protocol::{Finding, GpuVerdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything that a fold knows besides its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Findings that hold, are about to, or held lately; ordered by code and subject.
    #[serde(default)]
    pub(super) entries: Vec<Entry>,
    /// The status of each condition, and since when.
    #[serde(default)]
    pub(super) statuses: BTreeMap<String, Since>,
    /// When each sense last looked, by the clock on the wall.
    #[serde(default)]
    pub(super) looked: BTreeMap<Sense, Timestamp>,
    /// How long each sense had not looked when the fold was last told the time, by a clock that nobody sets. Time in which there
    /// was no fold does not count.
    #[serde(default)]
    pub(super) quiet: BTreeMap<Sense, Duration>,
    /// The GPUs of the last pass that saw them.
    #[serde(default)]
    pub(super) gpus: Vec<GpuVerdict>,
    /// In which life of the driver the last observation was made.
    #[serde(default)]
    pub(super) era: Era,
    /// The last driver's load that was seen.
    #[serde(default)]
    pub(super) driver: Option<u64>,
    /// When the last pass was made.
    #[serde(default)]
    pub(super) passed: Option<Timestamp>,
    /// Each GPU's recovery action in the last pass that read it.
    #[serde(default)]
    pub(super) actions: BTreeMap<String, u32>,
    /// GPUs that had memory which waits for a reset to be remapped, in the last pass that read them.
    #[serde(default)]
    pub(super) remapping: BTreeSet<String>,
    /// Until when XIDs are past, by a GPU's names or `*`.
    #[serde(default)]
    pub(super) forgiven: BTreeMap<String, Timestamp>,
    /// Up to which record of this boot's kernel log XIDs are past, by the same names.
    #[serde(default)]
    pub(super) forgiven_records: BTreeMap<String, u64>,
    /// The newest record with an XID that was known when the last pass was judged.
    #[serde(default)]
    pub(super) passed_record: Option<u64>,
    /// The next transition's number.
    #[serde(default)]
    pub(super) sequence: u64,
    /// The newest transitions, oldest first.
    #[serde(default)]
    pub(super) transitions: Vec<Transition>,
}

/// A status and when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Since {
    pub(super) status: Status,
    pub(super) since: Timestamp,
}

/// One code about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// As it was last seen.
    pub(super) finding: Finding,
    /// Observations in a row that had it.
    pub(super) bad: u32,
    /// Observations in a row that looked and did not find it.
    pub(super) good: u32,
    /// Since when it holds.
    pub(super) raised: Option<Timestamp>,
    /// When it was last seen.
    pub(super) seen: Timestamp,
    /// In which life of the driver that was.
    pub(super) era: Era,
    /// Whether its GPU has been reset since.
    #[serde(default)]
    pub(super) reset: bool,
    /// Where its GPU was when it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    /// Who held its GPU when it began to hold, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) held_by: Option<String>,
    /// When it began to hold, the last times, oldest first.
    pub(super) raises: Vec<Timestamp>,
}

impl Entry {
    /// A finding that nobody has counted yet.
    pub(super) fn begun(finding: &Finding, at: Timestamp, era: &Era) -> Self {
        Self {
            finding: finding.clone(),
            bad: 0,
            good: 0,
            raised: None,
            seen: at,
            era: era.clone(),
            reset: false,
            address: None,
            held_by: None,
            raises: Vec::new(),
        }
    }
}

impl Memory {
    /// What of it is worth a write: findings, statuses and GPUs, not how often something was seen since.
    pub(crate) fn differs(&self, written: &Self) -> bool {
        let held = |memory: &Self| -> Vec<_> {
            let entries = memory
                .entries
                .iter()
                .filter(|entry| entry.raised.is_some() || !entry.raises.is_empty());
            entries
                .map(|entry| {
                    let Finding { code, subject, .. } = entry.finding.clone();
                    (code, subject, entry.raised, entry.held_by.clone())
                })
                .collect()
        };
        self.sequence != written.sequence
            || self.statuses != written.statuses
            || self.gpus != written.gpus
            || self.era != written.era
            || self.actions != written.actions
            || self.remapping != written.remapping
            || self.forgiven != written.forgiven
            || self.forgiven_records != written.forgiven_records
            || self.has_passed_since(written)
            || held(self) != held(written)
    }
    /// Whether a pass was made after the newest finding began to hold, of which `written` does not know: after a `kill -9` it tells that
    /// the finding came before whatever was done in the meantime.
    fn has_passed_since(&self, written: &Self) -> bool {
        let newest = self.entries.iter().filter_map(|entry| entry.raised).max();
        newest.is_some_and(|newest| {
            let after = |passed: Option<Timestamp>| passed.is_some_and(|passed| passed > newest);
            after(self.passed) && !after(written.passed)
        })
    }
}

/// The conditions' messages are not kept: they are made from the findings.
pub(super) fn unknown(kind: &'static str, at: Timestamp) -> Condition {
    Condition {
        kind,
        status: Status::Unknown,
        reason: "NotObservedYet".to_owned(),
        message: "nobody has looked yet".to_owned(),
        last_transition: at,
        last_heartbeat: at,
    }
}
