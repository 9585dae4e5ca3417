//! The thread that reads the kernel's log and tells the observer of every XID at once. Called by [`super::run`] only.
//!
//! A log that cannot be opened or read is told too, and tried again: silence of a log nobody reads means nothing.

use super::observer::Report;
use crate::xid::Watch;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

/// How often a quiet log is said to be one that is being read.
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
    reports.send(Report::KernelLog(Ok(watch.lost()))).ok()?;
    loop {
        let report = match watch.next(QUIET) {
            Ok(Some(event)) => Report::Xid(event),
            Ok(None) => Report::KernelLog(Ok(watch.lost())),
            Err(error) => return Some(error.to_string()),
        };
        reports.send(report).ok()?;
    }
}
