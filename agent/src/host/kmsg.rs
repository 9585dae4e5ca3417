//! The kernel's log, read record by record from `/dev/kmsg`.
//!
//! Reads only, keeps one buffer whatever is written, never waits longer than it was told. A record that was overwritten
//! before it was read is counted, not an error. Who wrote a record is for the caller to look at ([`Record::is_kernel`]).
//! Called by [`crate::xid`].

#[cfg(any(test, fuzzing))]
pub(crate) mod property;
mod record;

use jiff::Timestamp;
pub(crate) use record::Record;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::ClockId;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the running kernel's log is.
pub(crate) const PATH: &str = "/dev/kmsg";
/// No record is longer (`CONSOLE_EXT_LOG_MAX`, linux/printk.h of 5.4; newer kernels' records are shorter).
const RECORD_MAX: usize = 8192;
/// After so many reads in a row without a record the file is no kernel log.
const USELESS: usize = 1000;

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KmsgError {
    /// Occurs when the file does not open or seek.
    #[error("{path}: {source}; the kernel's log needs root, or CAP_SYSLOG where kernel.dmesg_restrict is 1")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Occurs when it cannot be waited for or read any more.
    #[error("{path}: {source}; open it again")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An open kernel log.
#[derive(Debug)]
pub(crate) struct Kmsg {
    file: File,
    path: PathBuf,
    buffer: Box<[u8; RECORD_MAX]>,
    following: Option<u64>,
    lost: u64,
    caught_up: bool,
}

impl Kmsg {
    /// Opens it at the oldest record that the kernel still has.
    pub(crate) fn open(path: &Path) -> Result<Self, KmsgError> {
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
                .open(path)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self::over(file, path)),
            Err(source) => Err(KmsgError::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn over(file: File, path: &Path) -> Self {
        Self {
            file,
            path: path.to_owned(),
            buffer: Box::new([0; RECORD_MAX]),
            following: None,
            lost: 0,
            caught_up: false,
        }
    }

    /// The next record; nothing when none came in time. Bytes that are no record are passed over and count as lost.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Option<Record>, KmsgError> {
        let deadline = Instant::now() + timeout;
        // Each round reads a record, waits, or passes over one that is of no use; a source that has no other kind ends.
        let mut useless = 0;
        while useless < USELESS {
            match self.file.read(self.buffer.as_mut_slice()) {
                // Never of a kernel log: something else lies at the path, and asking it again would spin.
                Ok(0) => return Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(length) => {
                    if let Ok(record) = record::parse(self.buffer.get(..length).unwrap_or_default()) {
                        if let Some(expected) = self.following {
                            self.lost = self.lost.saturating_add(record.sequence.saturating_sub(expected));
                        }
                        self.following = Some(record.sequence.saturating_add(1));
                        return Ok(Some(record));
                    }
                    self.lost = self.lost.saturating_add(1);
                    useless += 1;
                }
                Err(error) => match Errno::from_io_error(&error) {
                    // Woken for nothing counts as well, or a file that always says it has something would be asked for ever.
                    Some(Errno::AGAIN) => {
                        self.caught_up = true;
                        if !self.wait(deadline)? {
                            return Ok(None);
                        }
                        useless += 1;
                    }
                    // The record was overwritten: the next read gives the oldest there is, and its number says how many
                    // are gone. INVAL: longer than the buffer; the kernel has gone past it.
                    Some(Errno::PIPE | Errno::INVAL | Errno::INTR) => useless += 1,
                    _ => return Err(self.failed(error)),
                },
            }
        }
        Err(self.failed(io::ErrorKind::InvalidData.into()))
    }

    /// How many records were overwritten before they were read, since this was opened.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// When a record that this has just given was written. One that came while it was waited for was written now. What the log had before
    /// bears the scheduler's clock, which no time server corrects ("`sched_clock()` and `CLOCK_MONOTONIC` can drift apart frequency wise pretty
    /// bad", T. Gleixner on linux-kernel, 2017-11-14): after weeks it may be wrong by seconds, and what is older than a reset would be
    /// called newer, or the other way round.
    pub(crate) fn written(&self, record: &Record) -> Timestamp {
        if self.caught_up {
            Timestamp::now()
        } else {
            at(record.monotonic)
        }
    }

    /// Sleeps until the kernel says that there is something to read; false when the time is over.
    fn wait(&self, deadline: Instant) -> Result<bool, KmsgError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(|_| self.failed(io::ErrorKind::InvalidInput.into()))?;
            // PRI comes with overwritten records (`devkmsg_poll` of kernel/printk/printk.c, read 2026-11-21).
            let mut polled = [PollFd::new(&self.file, PollFlags::IN | PollFlags::PRI)];
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.failed(errno.into())),
            }
        }
    }

    fn failed(&self, source: io::Error) -> KmsgError {
        KmsgError::Read {
            path: self.path.clone(),
            source,
        }
    }
}

/// When a record with this time was written: nearly the monotonic clock's, which stops while the machine sleeps and is never set, so this
/// is right as long as the wall clock is right now and the machine has not slept since.
fn at(monotonic: Duration) -> Timestamp {
    let clock = rustix::time::clock_gettime(ClockId::Monotonic);
    let now = Duration::try_from(clock).unwrap_or_default();
    let wall = Timestamp::now();
    let age = now.saturating_sub(monotonic);
    jiff::SignedDuration::try_from(age)
        .ok()
        .and_then(|age| wall.checked_sub(age).ok())
        .unwrap_or(wall)
}

#[cfg(test)]
pub(crate) mod tests;
