//! Which changes Kubernetes has been told of, over restarts: `events.json` in the state directory.
//!
//! Changes are known by their number and not by their time, which a clock that is set would spoil. The file is written when an
//! Event has been told and never for a healthy agent's heartbeat, and on a thread of its own: a disk that hangs holds up nothing
//! but this file, whose loss costs an Event that is told twice. Called by [`super::beside`].

use crate::durable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// The file's form.
const VERSION: u32 = 1;

/// Everything before `next` has been told, or is in `untold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    version: u32,
    /// The number of the first change that nobody has taken in.
    pub(super) next: u64,
    /// Numbers of earlier changes that still wait.
    pub(super) untold: BTreeSet<u64>,
}

impl Told {
    /// Everything before `next` but `untold`.
    pub(super) const fn new(next: u64, untold: BTreeSet<u64>) -> Self {
        Self {
            version: VERSION,
            next,
            untold,
        }
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    writing: Option<JoinHandle<()>>,
    failing: Arc<AtomicBool>,
}

impl Record {
    /// The file in this directory and what it says. `begun` is the number of this process' first own change: where there is no
    /// file, nobody has published from this directory before, and what is older is not news. Numbers of the future are those of
    /// a memory that was lost, whose counting has begun anew.
    pub(super) fn open(directory: &Path, begun: u64) -> (Self, Told) {
        let path = directory.join("events.json");
        let read = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(error.to_string())),
            Ok(bytes) => Some(match serde_json::from_slice::<Told>(&bytes) {
                Ok(told) if told.version == VERSION => Ok(told),
                Ok(told) => Err(format!(
                    "it has version {}, and this agent reads {VERSION}",
                    told.version
                )),
                Err(error) => Err(error.to_string()),
            }),
        };
        let told = match read {
            Some(Ok(mut told)) => {
                told.next = told.next.min(begun);
                told.untold.retain(|number| *number < told.next);
                told
            }
            Some(Err(why)) => {
                tracing::warn!(
                    "{} cannot be read, so Events of before this start that were not told are left out: {why}",
                    path.display()
                );
                Told::new(begun, BTreeSet::new())
            }
            None => Told::new(begun, BTreeSet::new()),
        };
        let record = Self {
            path,
            writing: None,
            failing: Arc::new(AtomicBool::new(false)),
        };
        // At once: what happens from here on is news after the next start too, told or not.
        write(&record.path, &told, &record.failing);
        (record, told)
    }

    /// Writes it, unless a disk that hangs still has the last one; whether it is as good as written.
    pub(super) fn keep(&mut self, told: Told) -> bool {
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return false;
        }
        let (path, failing) = (self.path.clone(), Arc::clone(&self.failing));
        self.writing = Some(tokio::task::spawn_blocking(move || write(&path, &told, &failing)));
        true
    }

    /// Whether the last write failed.
    pub(super) fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

/// A failure is said once, until it is over.
fn write(path: &Path, told: &Told, failing: &AtomicBool) {
    let written = serde_json::to_vec(told)
        .map_err(io::Error::from)
        .and_then(|bytes| durable::write(path, &bytes, 0o600));
    match written {
        Ok(()) => failing.store(false, Ordering::Relaxed),
        Err(error) => {
            if !failing.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "{} cannot be written: {error}; make room on the disk or mount it writable; until then a restart tells \
                     Events twice",
                    path.display()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_told_outlives_a_restart_and_a_memory_that_was_lost_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (mut record, told) = Record::open(folder.path(), 7);
        assert_eq!(
            told,
            Told::new(7, BTreeSet::new()),
            "what an earlier release saw is not news"
        );
        assert!(record.keep(Told::new(12, BTreeSet::from([8, 10]))));
        record.writing.take().unwrap().await.unwrap();
        let next = |begun| Record::open(folder.path(), begun).1;
        assert_eq!(next(15), Told::new(12, BTreeSet::from([8, 10])));
        assert_eq!(
            next(9),
            Told::new(9, BTreeSet::from([8])),
            "the memory is of before a power cut"
        );
        assert_eq!(next(0), Told::new(0, BTreeSet::new()));
    }

    #[tokio::test]
    async fn a_file_that_is_none_of_ours_or_cannot_be_written_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.json");
        std::fs::write(&file, "{\"version\": 2, \"next\": 3, \"untold\": []}").unwrap();
        assert_eq!(Record::open(folder.path(), 5).1, Told::new(5, BTreeSet::new()));
        std::fs::remove_file(&file).unwrap();
        // Not even root replaces a directory by a file.
        std::fs::create_dir(&file).unwrap();
        let (mut record, told) = Record::open(folder.path(), 5);
        assert_eq!(told.next, 5);
        assert!(record.failing());
        std::fs::remove_dir(&file).unwrap();
        assert!(record.keep(told));
        record.writing.take().unwrap().await.unwrap();
        assert!(!record.failing());
    }
}
