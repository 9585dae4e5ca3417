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

/// What the kernel's log has at the moment.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Its events, counted.
    pub(crate) ledger: Ledger,
    /// Whether it was read to its end: what came after the last record that was read is not known.
    pub(crate) whole: bool,
    /// Records that were overwritten before they were read.
    pub(crate) lost: u64,
}

/// What the kernel's log has now; reading it takes at most `limit`.
pub(crate) fn backlog(path: &Path, boot_id: &str, limit: Duration) -> Result<Backlog, KmsgError> {
    Watch::open(path)?.backlog(boot_id, limit)
}

impl Watch {
    fn backlog(mut self, boot_id: &str, limit: Duration) -> Result<Backlog, KmsgError> {
        let mut ledger = Ledger::new(boot_id);
        let mut whole = false;
        let deadline = Instant::now() + limit;
        while !whole && Instant::now() < deadline {
            whole = self.step(Duration::ZERO)? == Step::Nothing;
            for event in self.found.drain(..) {
                ledger.observe(event);
            }
        }
        Ok(Backlog {
            ledger,
            whole,
            lost: self.lost(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kmsg::tests::log;
    use std::io::Write as _;

    const FALLEN: &str = "3,7,1000,-;NVRM: Xid (PCI:0000:18:00): 79, GPU has fallen off the bus.\n";

    fn watch(log: Kmsg) -> Watch {
        Watch {
            log,
            reader: Reader::default(),
            found: VecDeque::new(),
        }
    }

    #[test]
    fn a_log_that_does_not_end_in_time_is_told_from_one_that_was_read_whole() {
        let (kmsg, mut kernel) = log();
        kernel.write_all(FALLEN.as_bytes()).unwrap();
        let read = watch(kmsg).backlog("boot", Duration::from_mins(1)).unwrap();
        assert_eq!((read.whole, read.lost, read.ledger.present().len()), (true, 0, 1));

        let (kmsg, mut kernel) = log();
        kernel.write_all(FALLEN.as_bytes()).unwrap();
        let read = watch(kmsg).backlog("boot", Duration::ZERO).unwrap();
        assert!(!read.whole, "a record waits");
    }

    #[test]
    fn what_was_overwritten_before_the_end_is_counted() {
        let (kmsg, mut kernel) = log();
        for record in ["6,7,1000,-;usb 1-1: reset\n", "6,12,2000,-;usb 1-1: reset\n"] {
            kernel.write_all(record.as_bytes()).unwrap();
        }
        let read = watch(kmsg).backlog("boot", Duration::from_mins(1)).unwrap();
        assert_eq!((read.whole, read.lost), (true, 4));
    }
}
