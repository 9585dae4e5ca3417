//! The journal of a run: one JSON line for each [`Event`], flushed to the disk before what it announces happens.
//!
//! Written by the executor alone, read by followers in other processes at the same time. Lines are complete or they do not
//! count: a line torn by a power cut or still being written is not read, and is cut off before the next one is appended.

use bedplate_protocol::{Event, EventKind, RunId, StepId};
use jiff::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A journal that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The disk says no.
    #[error("the journal {path} cannot be {action}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A complete line in the middle is no event.
    #[error("line {line} of the journal {path} is no event: {source}; move the file away and run `bedplate up` again")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// An open journal, at its end.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    run: RunId,
    boot_id: String,
    next_seq: u64,
    ended: bool,
}

impl Journal {
    /// Opens or creates the journal at `path` and drops a torn last line. `boot_id` goes into each event.
    pub(crate) fn open(path: &Path, run: &RunId, boot_id: &str) -> Result<Self, JournalError> {
        let failed = |action| {
            move |source| JournalError::Io {
                path: path.to_owned(),
                action,
                source,
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed("opened"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let (events, length) = parse(&bytes, path)?;
        file.set_len(length).map_err(failed("repaired"))?;
        file.seek(SeekFrom::Start(length)).map_err(failed("repaired"))?;
        crate::durable::sync_parent(path).map_err(failed("created"))?;
        let last = events.last();
        Ok(Self {
            file,
            path: path.to_owned(),
            run: run.clone(),
            boot_id: boot_id.to_owned(),
            next_seq: last.map_or(1, |event| event.seq + 1),
            ended: last.is_some_and(|event| matches!(event.kind, EventKind::RunFinished { .. })),
        })
    }

    /// Whether the run's terminal event is written.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Appends an event; it is on the disk when this returns.
    pub(crate) fn append(&mut self, step: Option<&StepId>, kind: EventKind) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io {
            path: self.path.clone(),
            action: "written",
            source,
        };
        let ended = matches!(kind, EventKind::RunFinished { .. });
        let event = Event {
            run: self.run.clone(),
            seq: self.next_seq,
            boot_id: self.boot_id.clone(),
            at: Timestamp::now(),
            step: step.cloned(),
            kind,
        };
        let mut line = serde_json::to_vec(&event).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        self.next_seq += 1;
        self.ended |= ended;
        Ok(())
    }
}

/// Reads what has been appended since the last look; for followers.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    /// From the beginning of the journal at `path`, which need not exist yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// The complete events since the last call; none when there is nothing new.
    pub(crate) fn read(&mut self) -> Result<Vec<Event>, JournalError> {
        let failed = |source| JournalError::Io {
            path: self.path.clone(),
            action: "read",
            source,
        };
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(failed)?,
        };
        file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (events, length) = parse(&bytes, &self.path)?;
        self.offset += length;
        Ok(events)
    }
}

/// All complete events of the journal at `path`; none when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Vec<Event>, JournalError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(JournalError::Io {
            path: path.to_owned(),
            action: "read",
            source,
        }),
        Ok(bytes) => parse(&bytes, path).map(|(events, _)| events),
    }
}

/// The events of all complete lines and how many bytes these lines have. A last line that ends in a newline and is no
/// event was torn too: a file system may keep a write's length and lose its pages.
fn parse(bytes: &[u8], path: &Path) -> Result<(Vec<Event>, u64), JournalError> {
    let mut events = Vec::new();
    let mut length = 0;
    let lines: Vec<&[u8]> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .collect();
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            Err(_) if index + 1 == lines.len() => break,
            Err(source) => {
                return Err(JournalError::Malformed {
                    path: path.to_owned(),
                    line: index + 1,
                    source,
                });
            }
        }
        length += line.len() as u64;
    }
    Ok((events, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedplate_protocol::{Outcome, RunStatus};
    use proptest::prelude::*;

    fn run() -> RunId {
        RunId::new("r-1").unwrap()
    }

    proptest! {
        #[test]
        fn a_journal_cut_anywhere_reads_as_its_complete_lines_and_goes_on_without_a_gap(
            reasons in prop::collection::vec(".{0,40}", 1..8),
            cut in 0.0..1.0_f64,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("journal.jsonl");
            let mut journal = Journal::open(&path, &run(), "boot-a").unwrap();
            for reason in &reasons {
                let outcome = Outcome::Skipped { reason: reason.clone() };
                journal.append(Some(&StepId::new("file", reason)), EventKind::StepFinished { outcome }).unwrap();
            }
            let whole = fs::read(&path).unwrap();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let kept = (whole.len() as f64 * cut) as usize;
            fs::write(&path, &whole[..kept]).unwrap();
            let complete = whole[..kept].split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).count();
            prop_assert_eq!(read(&path).unwrap().len(), complete);

            let mut journal = Journal::open(&path, &run(), "boot-b").unwrap();
            journal.append(None, EventKind::RunFinished { status: RunStatus::Done }).unwrap();
            let events = read(&path).unwrap();
            let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
            prop_assert_eq!(seqs, (1..=complete as u64 + 1).collect::<Vec<_>>());
            prop_assert!(Journal::open(&path, &run(), "boot-b").unwrap().ended());
        }
    }

    #[test]
    fn a_follower_never_sees_half_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut tail = Tail::new(path.clone());
        assert!(tail.read().unwrap().is_empty());
        let mut journal = Journal::open(&path, &run(), "boot").unwrap();
        journal.append(None, EventKind::RunStarted { steps: 1 }).unwrap();
        let line = fs::read(&path).unwrap();
        fs::write(&path, &line[..line.len() / 2]).unwrap();
        assert!(tail.read().unwrap().is_empty());
        fs::write(&path, &line).unwrap();
        assert_eq!(tail.read().unwrap().len(), 1);
        assert!(tail.read().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut journal = Journal::open(&path, &run(), "boot").unwrap();
        journal.append(None, EventKind::RunStarted { steps: 1 }).unwrap();
        let line = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{line}garbage\n{line}")).unwrap();
        assert!(matches!(read(&path), Err(JournalError::Malformed { line: 2, .. })));
    }
}
