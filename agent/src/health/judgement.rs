//! What the findings that hold make of conditions, GPUs and the node. The second half of [`Fold`]; pure like it.

use super::memory::{Entry, Since, unknown};
use super::reasons::{CONDITIONS, ConditionType, reason};
use super::sight::is_about;
use super::transition::{camel_case, cut};
use super::{Condition, Fold, Mode, Sense, Status};
use bedplate_protocol::{Finding, GpuVerdict, Health, RecommendedAction, Severity, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;

/// Silence of so many intervals is a fault: one pass may be late, two may be unlucky.
const SILENT: i32 = 3;
/// The code of a kernel's log that is not read.
const UNREAD_LOG: &str = "kernel-log-unreadable";

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
        let all = self.counting(at);
        let all: Vec<&Finding> = all.iter().map(AsRef::as_ref).collect();
        let least = if self.blind(at) {
            Health::Unknown
        } else {
            Health::Healthy
        };
        let gpus = self.memory.gpus.iter().map(|gpu| {
            let of = all.iter().filter(|finding| is_about(&finding.subject, gpu));
            let of: Vec<&Finding> = of.copied().collect();
            GpuVerdict {
                health: worst(&of).max(least),
                action: action(&of),
                ..gpu.clone()
            }
        });
        Verdict {
            health: worst(&all).max(least),
            gpus: gpus.collect(),
            action: action(&all),
            findings: self.raised().map(|entry| self.shown(at, entry)).collect(),
        }
    }

    /// Whether something that a GPU's health shows in has not been looked at for too long, so that nothing is proven healthy. The
    /// kernel's log counts unless an operator has said that there is none to be had here.
    fn blind(&self, at: Timestamp) -> bool {
        let log = Finding::new(Severity::Warning, UNREAD_LOG, "", "", "");
        let senses = [Sense::Nvml, Sense::Gpu, Sense::KernelLog];
        let senses = senses
            .into_iter()
            .filter(|sense| *sense != Sense::KernelLog || self.mode(at, &log).0 == Mode::On);
        senses.into_iter().any(|sense| self.silent_since(sense, at).is_some())
    }

    /// What is wrong with the overrides: those that have expired, and those that are about nothing that there is.
    pub(crate) fn notices(&self, at: Timestamp) -> Vec<Finding> {
        let useless = self.overrides.iter().flat_map(|wanted| wanted.does_nothing(at));
        let gpus = &self.memory.gpus;
        let elsewhere = self.overrides.iter().filter(|wanted| wanted.is_of_none(gpus));
        let elsewhere = elsewhere.filter(|_| !gpus.is_empty()).map(|wanted| {
            // One configuration may be for all nodes of a cluster.
            Finding::new(
                Severity::Info,
                "override-unknown-gpu",
                wanted.subject(),
                format!(
                    "no GPU of this node is {}, so the override does nothing here",
                    wanted.gpu.as_deref().unwrap_or_default()
                ),
                "write the UUID or the PCI address of a GPU of this node (bedplate-agent check prints both), or remove it here",
            )
        });
        useless.chain(elsewhere).collect()
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

    fn raised(&self) -> impl Iterator<Item = &Entry> {
        self.memory.entries.iter().filter(|entry| entry.raised.is_some())
    }

    /// Those that count, as the operator wants them.
    fn counting(&self, at: Timestamp) -> Vec<Cow<'_, Finding>> {
        self.raised()
            .map(|entry| &entry.finding)
            .filter(|finding| self.mode(at, finding).0 == Mode::On)
            .map(|finding| self.as_wanted(at, finding))
            .collect()
    }

    /// A finding as it is shown: with which card it is and who held it, and one that an operator wants otherwise, or only watched,
    /// says who wants that and why.
    fn shown(&self, at: Timestamp, entry: &Entry) -> Finding {
        let finding = &entry.finding;
        let mut shown = self.as_wanted(at, finding).into_owned();
        let row = reason(&finding.code);
        shown.evidence.extend(self.place(&finding.subject));
        if let Some(held_by) = &entry.held_by {
            shown.evidence.push(format!("when it began to hold: {held_by}"));
        }
        if let Some(wanted) = self.wanted(at, finding)
            && (shown.severity != finding.severity || shown.action != finding.action)
        {
            let action = finding
                .action
                .map_or_else(|| "nothing".to_owned(), |action| action.to_string());
            shown.evidence.push(format!(
                "{} would be {} and ask for {action}; otherwise until {}: {} ({})",
                finding.code, finding.severity, wanted.expires, wanted.reason, wanted.owner
            ));
        }
        shown.evidence.push(format!(
            "rule {} of docs/reasons.md; docs/runbooks/{}.md",
            row.code, row.runbook
        ));
        match self.mode(at, finding) {
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
        let counting = self.counting(at);
        let mut problems: Vec<&Finding> = counting.iter().map(AsRef::as_ref).collect();
        problems.retain(|finding| {
            let row = reason(&finding.code);
            let weighs = finding.severity == Severity::Error || (row.warns && finding.severity == Severity::Warning);
            weighs && row.condition == name && !row.unread
        });
        // A GPU that could not be read leaves everything open that is read from GPUs.
        let mut unread: Vec<&Finding> = counting.iter().map(AsRef::as_ref).collect();
        unread.retain(|finding| {
            let row = reason(&finding.code);
            let concerns = row.condition == name || (row.sense == Sense::Gpu && kind.sense == Sense::Gpu);
            finding.severity == Severity::Error && row.unread && concerns
        });
        if !problems.is_empty() {
            return told(name, Status::True, &mut problems, at);
        }
        if !unread.is_empty() {
            return told(name, Status::Unknown, &mut unread, at);
        }
        let Some(since) = self.silent_since(kind.sense, at) else {
            return Condition {
                status: Status::False,
                reason: kind.fine_reason.to_owned(),
                message: kind.fine_message.to_owned(),
                ..unknown(name, at)
            };
        };
        let mut causes: Vec<&Finding> = self.raised().map(|entry| &entry.finding).collect();
        causes.retain(|finding| blinds(finding, kind.sense));
        if !causes.is_empty() {
            return told(name, Status::Unknown, &mut causes, at);
        }
        match self.memory.looked.get(&kind.sense) {
            None => unknown(name, at),
            Some(_) => Condition {
                reason: "Silent".to_owned(),
                message: format!("not looked at since {since}"),
                ..unknown(name, at)
            },
        }
    }

    /// Since when a sense has not looked, where that is too long ago. Time in which there was no agent does not count: what it
    /// knew before a restart stands until it has had the time to look. Nor does what was done to the clock on the wall.
    fn silent_since(&self, sense: Sense, at: Timestamp) -> Option<Timestamp> {
        let Some(looked) = self.memory.looked.get(&sense) else {
            return Some(at);
        };
        let quiet = self.memory.quiet.get(&sense).copied().unwrap_or_default();
        let quiet = SignedDuration::try_from(quiet).unwrap_or(SignedDuration::MAX);
        (quiet > self.interval * SILENT).then_some(*looked)
    }
}

/// Whether a finding says why a sense cannot look: a log that is not read, or a driver through which no GPU is reached.
fn blinds(finding: &Finding, sense: Sense) -> bool {
    let row = reason(&finding.code);
    match sense {
        Sense::KernelLog => finding.code == UNREAD_LOG,
        Sense::Gpu => {
            finding.severity == Severity::Error
                && matches!(row.sense, Sense::Host | Sense::WholeHost | Sense::Nvml)
                && matches!(row.condition, "GPUDriverProblem" | "GPUUnresponsive")
        }
        Sense::Host | Sense::WholeHost | Sense::Nvml => false,
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
