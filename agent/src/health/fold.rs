//! Findings over time: what holds, since when, and what it makes of conditions and GPUs.
//!
//! Pure: the caller says what time it is and what was looked at. Within one observation the order of findings makes no
//! difference. A finding begins to hold after its row's number of observations in a row and ends by its row's rule, and only
//! when somebody could look: what was not looked at stays as it was. Called by [`crate::daemon`] only.

use super::absence::{Absence, absent};
use super::identity::identify;
use super::memory::{Entry, Memory};
use super::reasons::reason;
use super::sight::{gpu_of, is_about};
use super::{Change, Mode, Moment, Override, Sense, Sight, Transition};
use bedplate_protocol::{Finding, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a finding that came and went is remembered, so that one that comes again and again is known for it.
const FLAPPING: SignedDuration = SignedDuration::from_hours(1);
/// More pieces of evidence on one finding than this help nobody.
const EVIDENCE: usize = 16;

/// The fold.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    pub(super) overrides: Vec<Override>,
    /// Between two passes: what three of them did not see is not known any more.
    pub(super) interval: SignedDuration,
    pub(super) memory: Memory,
    /// When it was last told the time, by the clock on the wall.
    pub(super) at: Option<Timestamp>,
    /// And by the clock that nobody sets.
    steady: Option<Duration>,
}

impl Fold {
    /// A fold that goes on from `memory`.
    pub(crate) fn new(overrides: Vec<Override>, interval: SignedDuration, memory: Memory) -> Self {
        Self {
            overrides,
            interval,
            memory,
            at: None,
            steady: None,
        }
    }

    /// What it would need to go on after a restart.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The newest transitions, oldest first.
    pub(crate) fn transitions(&self) -> &[Transition] {
        &self.memory.transitions
    }

    /// Takes in what was found by looking at `sight`; what changed.
    pub(crate) fn observe(&mut self, now: Moment, verdict: &Verdict, sight: &Sight) -> Vec<Transition> {
        let at = now.at;
        self.elapse(now);
        let mut changes = Vec::new();
        let (verdict, sight) = &identify(verdict, sight, &self.memory.gpus);
        if sight.senses.contains(&Sense::Nvml) {
            self.remember(verdict, sight);
        }
        let found = self.found(at, &verdict.findings);
        let mut entries: BTreeMap<(String, String), Entry> = std::mem::take(&mut self.memory.entries)
            .into_iter()
            .map(|entry| ((entry.finding.code.clone(), entry.finding.subject.clone()), entry))
            .collect();
        for (key, finding) in &found {
            let row = reason(&finding.code);
            let entry = entries
                .entry(key.clone())
                .or_insert_with(|| Entry::begun(finding, at, &sight.era));
            // A verdict made for another reason repeats what the last look of this sense found: that is no new observation.
            // Nor is one that came before its time.
            if entry.bad == 0 || (sight.senses.contains(&row.sense) && !sight.early) {
                entry.bad = entry.bad.saturating_add(1);
                entry.good = 0;
                entry.seen = at;
                entry.era = sight.era.clone();
                entry.reset = false;
            }
            entry.finding = finding.clone();
            let gpu = self.memory.gpus.iter().find(|gpu| is_about(&finding.subject, gpu));
            if let Some(gpu) = gpu {
                entry.address.clone_from(&gpu.pci_address);
            }
            if entry.raised.is_none() && entry.bad >= row.raise {
                entry.raised = Some(at);
                entry.raises.push(at);
                entry.held_by = None;
                let message = self.placed(&entry.finding);
                let wanted = self.as_wanted(at, &entry.finding);
                changes.push(transition(at, Change::Raised, &wanted, message));
            }
        }
        entries.retain(|key, entry| {
            entry
                .raises
                .retain(|raise| at.duration_since(*raise).abs() < FLAPPING || entry.raised == Some(*raise));
            if found.contains_key(key) {
                return true;
            }
            let row = reason(&entry.finding.code);
            if let Some(owner) = self.off(at, &entry.finding) {
                if entry.raised.is_some() {
                    let why = format!("switched off by {owner}");
                    changes.push(transition(
                        at,
                        Change::Cleared,
                        &self.as_wanted(at, &entry.finding),
                        why,
                    ));
                }
                return false;
            }
            if let Some(gpu) = gpu_of(&entry.finding.subject) {
                entry.reset |= sight.reset.contains(gpu);
            }
            match absent(entry, row, sight) {
                Absence::NotLookedAt => return true,
                Absence::NotYet if sight.early => return true,
                Absence::Gone(why) => {
                    entry.bad = 0;
                    entry.good = entry.good.saturating_add(1);
                    if entry.raised.take().is_some() {
                        changes.push(transition(
                            at,
                            Change::Cleared,
                            &self.as_wanted(at, &entry.finding),
                            why,
                        ));
                    }
                }
                Absence::NotYet => {
                    entry.bad = 0;
                    entry.good = entry.good.saturating_add(1);
                }
            }
            entry.raised.is_some() || !entry.raises.is_empty()
        });
        self.memory.entries = entries.into_values().collect();
        for sense in &sight.senses {
            self.memory.looked.insert(*sense, at);
            self.memory.quiet.insert(*sense, Duration::ZERO);
        }
        self.memory.era = sight.era.clone();
        self.number(&mut changes);
        self.judge(at);
        changes
    }

    /// Gives changes their order and numbers, and keeps the newest.
    fn number(&mut self, changes: &mut [Transition]) {
        changes.sort_by(|a, b| (&a.code, &a.subject).cmp(&(&b.code, &b.subject)));
        for change in &mut *changes {
            change.sequence = self.memory.sequence;
            self.memory.sequence += 1;
        }
        self.memory.transitions.extend(changes.iter().cloned());
        let surplus = self.memory.transitions.len().saturating_sub(Transition::KEPT);
        self.memory.transitions.drain(..surplus);
    }

    /// Only time has passed.
    pub(crate) fn tick(&mut self, now: Moment) {
        self.elapse(now);
        self.judge(now.at);
    }

    /// Every sense has been quiet for as much longer as the clock says that nobody sets: one that is set, forwards or back, makes
    /// nobody silent. What was looked at was looked at no later than now.
    fn elapse(&mut self, now: Moment) {
        let before = self.steady.replace(now.steady);
        let passed = before.map_or(Duration::ZERO, |before| now.steady.saturating_sub(before));
        self.at = Some(now.at);
        let Memory { looked, quiet, .. } = &mut self.memory;
        for (sense, looked) in looked {
            *looked = now.at.min(*looked);
            let quiet = quiet.entry(*sense).or_default();
            *quiet = quiet.saturating_add(passed);
        }
    }

    /// Keeps the list of GPUs; an NVML that listed none because it does not work leaves the last list standing.
    fn remember(&mut self, verdict: &Verdict, sight: &Sight) {
        if sight.complete || !verdict.gpus.is_empty() {
            self.memory.gpus.clone_from(&verdict.gpus);
        }
    }

    /// The findings that count, one for each code and subject: of several the one that weighs most as the operator wants them,
    /// with the others' words as evidence. As the checks gave them: what an operator wants ends with its date.
    fn found(&self, at: Timestamp, findings: &[Finding]) -> BTreeMap<(String, String), Finding> {
        let weigh = |finding: &Finding| {
            let wanted = self.as_wanted(at, finding);
            (self.mode(at, finding).0 == Mode::On, wanted.severity, wanted.action)
        };
        let mut sorted: Vec<_> = findings.iter().map(|finding| (weigh(finding), finding)).collect();
        sorted.sort_by(|(weight, a), (other, b)| {
            other
                .cmp(weight)
                .then_with(|| a.message.cmp(&b.message))
                .then_with(|| a.evidence.cmp(&b.evidence))
        });
        let mut found: BTreeMap<(String, String), Finding> = BTreeMap::new();
        for (_, finding) in sorted {
            if self.off(at, finding).is_some() {
                continue;
            }
            let key = (finding.code.clone(), finding.subject.clone());
            match found.get_mut(&key) {
                None => {
                    found.insert(key, finding.clone());
                }
                Some(graver) => {
                    let more = std::iter::once(&finding.message).chain(&finding.evidence);
                    for line in more {
                        if graver.evidence.len() < EVIDENCE
                            && !graver.evidence.contains(line)
                            && graver.message != *line
                        {
                            graver.evidence.push(line.clone());
                        }
                    }
                }
            }
        }
        found
    }
}

fn transition(at: Timestamp, change: Change, finding: &Finding, message: String) -> Transition {
    Transition {
        sequence: 0,
        at,
        change,
        code: finding.code.clone(),
        subject: finding.subject.clone(),
        severity: finding.severity,
        condition: reason(&finding.code).condition.to_owned(),
        message,
        action: finding.action,
    }
}
