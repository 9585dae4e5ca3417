//! A kernel's ring of records since boot. Pure, and bounded as the kernel's is: the oldest go when it is full.
//!
//! A record's place is the number of bytes that were ever logged before it. So a place never changes its meaning, and a
//! file position can be one.

use super::record::Message;
use std::collections::VecDeque;

/// 1 MiB, as `log_buf_len=1M`; Debian's kernel has 128 KiB (`CONFIG_LOG_BUF_SHIFT=17`) without that parameter.
const CAPACITY: usize = 1 << 20;

/// The records.
#[derive(Debug, Default)]
pub(super) struct Log {
    records: VecDeque<(u64, Vec<u8>)>,
    end: u64,
    sequence: u64,
    bytes: usize,
}

/// What lies at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum There<'a> {
    /// A record, whole.
    Record(&'a [u8]),
    /// Nothing yet: every record lies before it.
    End,
    /// Records that have been overwritten.
    Overwritten,
    /// No record begins there.
    Between,
}

impl Log {
    /// Adds a record.
    pub(super) fn append(&mut self, message: &Message<'_>, microseconds: u64) {
        let shown = message.shown(self.sequence, microseconds);
        let at = self.end;
        self.sequence += 1;
        self.end += shown.len() as u64;
        self.bytes += shown.len();
        self.records.push_back((at, shown));
        while self.bytes > CAPACITY
            && let Some((_, oldest)) = self.records.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// The place of the oldest record that is left.
    pub(super) fn first(&self) -> u64 {
        self.records.front().map_or(self.end, |(at, _)| *at)
    }

    /// The place after the last record.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// What lies at `place`.
    pub(super) fn at(&self, place: u64) -> There<'_> {
        if place < self.first() {
            return There::Overwritten;
        }
        if place == self.end {
            return There::End;
        }
        let found = self.records.binary_search_by_key(&place, |(at, _)| *at);
        found.map_or(There::Between, |index| There::Record(&self.records[index].1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::kernel_log::record::Writer;

    #[test]
    fn records_are_found_by_place_and_numbered_from_zero() {
        let mut log = Log::default();
        assert_eq!(log.at(0), There::End);
        log.append(&Message::read(b"one", Writer::Kernel), 1);
        log.append(&Message::read(b"two", Writer::Kernel), 2);
        let There::Record(first) = log.at(0) else {
            panic!("no record at 0")
        };
        assert_eq!(first, b"4,0,1,-;one\n");
        assert_eq!(log.at(first.len() as u64), There::Record(b"4,1,2,-;two\n"));
        assert_eq!(log.at(1), There::Between);
        assert_eq!(log.at(log.end()), There::End);
        assert_eq!(log.at(log.end() + 1), There::Between);
    }

    #[test]
    fn a_full_ring_forgets_the_oldest_and_says_so() {
        let mut log = Log::default();
        for _ in 0..2 * CAPACITY / 1000 {
            log.append(&Message::read(&[b'x'; 1000], Writer::Process), 0);
        }
        assert!(log.bytes <= CAPACITY && log.bytes > CAPACITY - 2000, "{}", log.bytes);
        assert_eq!(log.at(0), There::Overwritten);
        assert!(matches!(log.at(log.first()), There::Record(_)));
    }
}
