//! What the findings that hold make of conditions, GPUs and the node. The second half of [`Fold`]; pure like it.

use super::memory::{Entry, Since, unknown};
use super::reasons::{CONDITIONS, ConditionType, reason};
use super::sight::is_about;
use super::transition::{camel_case, cut};
use super::{Condition, Fold, Mode, Sense, Status};
use bedplate_protocol::{Finding, GpuVerdict, Health, RecommendedAction, Severity, Verdict};
use jiff::{SignedDuration, Timestamp};

/// Silence of so many intervals is a fault: one pass may be late, two may be unlucky.
const SILENT: i32 = 3;

impl Fold {
    /// One for each of [`CONDITIONS`]; all `Unknown` before the first observation.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let Some(at) = self.at else {
            return Vec::new();
        };
        let kinds = CONDITIONS.iter();
        kinds
            .map(|kind| {
                let mut condition = self.condition(kind, at);
                if let Some(known) = self.memory.statuses.get(kind.name) {
                    condition.last_transition = known.since;
                }
                condition
            })
            .collect()
    }

    /// What holds now: findings, each GPU, the node and the one thing to do. Never healthy before somebody has looked.
    pub(crate) fn verdict(&self) -> Verdict {
        let Some(at) = self.at else {
            return Verdict {
                health: Health::Unknown,
                gpus: Vec::new(),
                action: None,
                findings: Vec::new(),
            };
        };
        let held: Vec<&Entry> = self.held().collect();
        let counting = |entry: &&&Entry| self.mode(at, &entry.finding.code).0 == Mode::On;
        let blind = self.silent_since(Sense::Gpu, at).is_some() || self.silent_since(Sense::Nvml, at).is_some();
        let least = if blind { Health::Unknown } else { Health::Healthy };
        let gpus = self.memory.gpus.iter().map(|gpu| {
            let of: Vec<&Finding> = held
                .iter()
                .filter(counting)
                .filter(|entry| is_about(&entry.finding.subject, gpu))
                .map(|entry| &entry.finding)
                .collect();
            GpuVerdict {
                health: worst(&of).max(least),
                action: action(&of),
                ..gpu.clone()
            }
        });
        let all: Vec<&Finding> = held.iter().filter(counting).map(|entry| &entry.finding).collect();
        Verdict {
            health: worst(&all).max(least),
            gpus: gpus.collect(),
            action: action(&all),
            findings: held.iter().map(|entry| self.shown(at, &entry.finding)).collect(),
        }
    }

    /// What is wrong with the overrides: those that have expired, and those of codes that no row names.
    pub(crate) fn notices(&self, at: Timestamp) -> Vec<Finding> {
        let expired = self.overrides.iter().filter(|wanted| !wanted.holds(at));
        let expired = expired.map(|wanted| {
            Finding::new(
                Severity::Warning,
                "override-expired",
                format!("checks: {}", wanted.code),
                format!(
                    "the override of {} by {} expired at {} and is ignored",
                    wanted.code, wanted.owner, wanted.expires
                ),
                "remove it from the agent's configuration, or give it a later date",
            )
        });
        let unknown = self.overrides.iter().filter(|wanted| reason(&wanted.code).code == "*");
        let unknown = unknown.map(|wanted| {
            Finding::new(
                Severity::Warning,
                "override-unknown-code",
                format!("checks: {}", wanted.code),
                format!(
                    "no check of this version gives {}, so its override does nothing",
                    wanted.code
                ),
                "write a code of docs/reasons.md",
            )
        });
        expired.chain(unknown).collect()
    }

    /// The statuses as of now, with the time of those that changed.
    pub(super) fn judge(&mut self, at: Timestamp) {
        for kind in CONDITIONS {
            let status = self.condition(kind, at).status;
            let known = self.memory.statuses.get(kind.name);
            if known.is_none_or(|known| known.status != status) {
                self.memory
                    .statuses
                    .insert(kind.name.to_owned(), Since { status, since: at });
            }
        }
    }

    fn held(&self) -> impl Iterator<Item = &Entry> {
        self.memory.entries.iter().filter(|entry| entry.raised.is_some())
    }

    /// A finding as it is shown: one that is only watched says who wants that and why.
    fn shown(&self, at: Timestamp, finding: &Finding) -> Finding {
        let mut shown = finding.clone();
        let row = reason(&finding.code);
        shown.evidence.push(format!(
            "rule {} of docs/reasons.md; docs/runbooks/{}.md",
            row.code, row.runbook
        ));
        match self.mode(at, &finding.code) {
            (Mode::On, _) => {}
            (_, None) => shown.accepted = Some("only watched, by the table of reasons".to_owned()),
            (_, Some(wanted)) => {
                shown.accepted = Some(format!(
                    "only watched until {}: {} ({})",
                    wanted.expires, wanted.reason, wanted.owner
                ));
            }
        }
        shown
    }

    fn condition(&self, kind: &ConditionType, at: Timestamp) -> Condition {
        let name = kind.name;
        let errors: Vec<&Finding> = self
            .held()
            .map(|entry| &entry.finding)
            .filter(|finding| finding.severity == Severity::Error && self.mode(at, &finding.code).0 == Mode::On)
            .collect();
        let mut problems: Vec<&Finding> = errors.clone();
        problems.retain(|finding| reason(&finding.code).condition == name && !reason(&finding.code).unread);
        // A GPU that could not be read leaves everything open that is read from GPUs.
        let mut unread = errors;
        unread.retain(|finding| {
            let row = reason(&finding.code);
            row.unread && (row.condition == name || (row.sense == Sense::Gpu && kind.sense == Sense::Gpu))
        });
        if !problems.is_empty() {
            return told(name, Status::True, &mut problems, at);
        }
        if !unread.is_empty() {
            return told(name, Status::Unknown, &mut unread, at);
        }
        match self.memory.looked.get(&kind.sense) {
            None => unknown(name, at),
            Some(_) => match self.silent_since(kind.sense, at) {
                Some(since) => Condition {
                    reason: "Silent".to_owned(),
                    message: format!("not looked at since {since}"),
                    ..unknown(name, at)
                },
                None => Condition {
                    status: Status::False,
                    reason: kind.fine_reason.to_owned(),
                    message: kind.fine_message.to_owned(),
                    ..unknown(name, at)
                },
            },
        }
    }

    /// Since when a sense has not looked, where that is too long ago. Time in which there was no agent does not count: what it
    /// knew before a restart stands until it has had the time to look.
    fn silent_since(&self, sense: Sense, at: Timestamp) -> Option<Timestamp> {
        let Some(looked) = self.memory.looked.get(&sense) else {
            return Some(at);
        };
        let away = match self.begun {
            Some((begun, away)) if *looked < begun => away,
            _ => SignedDuration::ZERO,
        };
        (at.duration_since(*looked) - away > self.interval * SILENT).then_some(*looked)
    }
}

/// A condition with everything that speaks for it, the gravest first.
fn told(name: &'static str, status: Status, findings: &mut [&Finding], at: Timestamp) -> Condition {
    findings.sort_by(|a, b| {
        let weight = |f: &Finding| (f.severity, f.action);
        weight(b)
            .cmp(&weight(a))
            .then_with(|| (&a.code, &a.subject).cmp(&(&b.code, &b.subject)))
    });
    let reason = findings
        .first()
        .map_or_else(String::new, |finding| camel_case(&finding.code));
    let texts: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}: {} [{}]", finding.subject, finding.message, finding.code))
        .collect();
    let todo = action(findings).map_or_else(String::new, RecommendedAction::opening);
    Condition {
        status,
        reason,
        message: cut(&format!("{todo}{}", texts.join("; ")), Condition::MESSAGE),
        ..unknown(name, at)
    }
}

fn worst(findings: &[&Finding]) -> Health {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors
        .map(|finding| {
            if reason(&finding.code).unread {
                Health::Unknown
            } else {
                Health::Problem
            }
        })
        .max()
        .unwrap_or(Health::Healthy)
}

/// The highest rung that an error asks for; without one, that anything asks for: a slow link's visit by a person must not
/// hide that a GPU wants its reset now.
fn action(findings: &[&Finding]) -> Option<RecommendedAction> {
    let asked = |severity| {
        findings
            .iter()
            .filter(|f| f.severity == severity)
            .filter_map(|f| f.action)
            .max()
    };
    asked(Severity::Error).or_else(|| asked(Severity::Warning))
}
