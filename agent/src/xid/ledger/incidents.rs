//! Tells a new incident from another report of one that is counted. Pure, of bounded size. Called by [`super::Entry`].

use super::super::event::{Source, Xid};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// Two reports of one incident are not further apart: NVML's events are read by another process and wait for its passes.
const WINDOW: SignedDuration = SignedDuration::from_secs(30);
/// In a storm only the last are matched; NVML's queue of events is not longer either.
const OPEN: usize = 64;

/// The ways in which one incident is reported; each says it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    LogXid,
    LogFallen,
    Nvml,
}

#[derive(Debug, Clone, PartialEq)]
struct Incident {
    at: Timestamp,
    reports: Vec<Report>,
}

/// The last incidents of one GPU and XID.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Incidents(VecDeque<Incident>);

impl Incidents {
    /// Whether this report is of a new incident: none within the window has been without this kind of report.
    pub(super) fn is_new(&mut self, at: Timestamp, source: Source, xid: Xid) -> bool {
        let report = match (source, xid) {
            (Source::Nvml, _) => Report::Nvml,
            (Source::KernelLog, Xid::FallenOffTheBus) => Report::LogFallen,
            (Source::KernelLog, Xid::Number(_)) => Report::LogXid,
        };
        self.0.retain(|incident| incident.at.duration_since(at).abs() <= WINDOW);
        if let Some(incident) = self.0.iter_mut().find(|incident| !incident.reports.contains(&report)) {
            incident.reports.push(report);
            return false;
        }
        if self.0.len() >= OPEN {
            self.0.pop_front();
        }
        self.0.push_back(Incident {
            at,
            reports: vec![report],
        });
        true
    }
}
