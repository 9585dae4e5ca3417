//! The thread that reads the kernel's log and tells the observer of every XID at once. Called by [`super::run`] only.
//!
//! A log that cannot be opened or read is told too, and tried again: silence of a log nobody reads means nothing.

use super::observer::Report;
use crate::xid::Watch;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

/// How often a log is said to be one that is being read, and how many of its records were lost.
pub(super) const QUIET: Duration = Duration::from_secs(5);
/// Before a log that could not be read is opened again.
const AGAIN: Duration = Duration::from_secs(10);

/// Until nobody wants to know any more.
pub(super) fn run(path: &Path, reports: &SyncSender<Report>) {
    loop {
        let trouble = match Watch::open(path) {
            Ok(watch) => match follow(watch, reports) {
                Some(trouble) => trouble,
                None => return,
            },
            Err(error) => error.to_string(),
        };
        if reports.send(Report::KernelLog(Err(trouble))).is_err() {
            return;
        }
        thread::sleep(AGAIN);
    }
}

/// Why it cannot be read any more; nothing when nobody wants to know.
fn follow(mut watch: Watch, reports: &SyncSender<Report>) -> Option<String> {
    let mut told: Option<Instant> = None;
    loop {
        // Between events as well: a log that has more of them than can be read is the one that loses records.
        let left = told.map_or(Duration::ZERO, |told| QUIET.saturating_sub(told.elapsed()));
        if left.is_zero() {
            reports.send(Report::KernelLog(Ok(watch.lost()))).ok()?;
            told = Some(Instant::now());
            continue;
        }
        match watch.next(left) {
            Ok(Some(event)) => reports.send(Report::Xid(event)).ok()?,
            Ok(None) => {}
            Err(error) => return Some(error.to_string()),
        }
    }
}
