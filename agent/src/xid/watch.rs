//! Follows the kernel's log and gives the events in it. Called by the daemon's thread for the log and, for what the log
//! has at the moment, by the verb `check`.

use super::event::XidEvent;
use super::ledger::Ledger;
use super::reader::Reader;
use crate::host::kmsg::{Kmsg, KmsgError};
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

/// The kernel's log, as events.
#[derive(Debug)]
pub(crate) struct Watch {
    log: Kmsg,
    reader: Reader,
    found: VecDeque<XidEvent>,
}

impl Watch {
    /// Begins with the oldest record that the kernel has.
    pub(crate) fn open(path: &Path) -> Result<Self, KmsgError> {
        Ok(Self {
            log: Kmsg::open(path)?,
            reader: Reader::default(),
            found: VecDeque::new(),
        })
    }

    /// The next event; nothing when none came in time.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Option<XidEvent>, KmsgError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.found.pop_front() {
                return Ok(Some(event));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.step(left)? == Step::Nothing || (left.is_zero() && self.found.is_empty()) {
                return Ok(None);
            }
        }
    }

    /// How many records of the log were overwritten before they were read.
    pub(crate) fn lost(&self) -> u64 {
        self.log.lost()
    }

    fn step(&mut self, timeout: Duration) -> Result<Step, KmsgError> {
        let Some(record) = self.log.next(timeout)? else {
            return Ok(Step::Nothing);
        };
        let written = self.log.written(&record);
        self.found.extend(self.reader.read(&record, written));
        Ok(Step::Record)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Record,
    Nothing,
}

/// What the kernel's log has now, counted; reading it takes at most `limit`.
pub(crate) fn backlog(path: &Path, boot_id: &str, limit: Duration) -> Result<Ledger, KmsgError> {
    let mut ledger = Ledger::new(boot_id);
    let mut watch = Watch::open(path)?;
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline && watch.step(Duration::ZERO)? == Step::Record {
        for event in watch.found.drain(..) {
            ledger.observe(event);
        }
    }
    Ok(ledger)
}
