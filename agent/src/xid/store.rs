//! Keeps the [`Ledger`] in a file across restarts of the agent and boots of the host.
//!
//! Written whole and atomically, at most once in [`EVERY`] and only when something changed. An agent that is killed
//! loses at most what it counted in that time, and of that only what the kernel's log no longer has: after a restart the log
//! is read from its beginning, and records that the file counts are known by their numbers. Called by the daemon.

use super::ledger::Ledger;
use crate::durable;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The least time between two writes.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Occurs when the file is there and cannot be read.
    #[error("{path}: {source}; XIDs are counted from nothing")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Occurs when its content is no ledger; it is put aside.
    #[error("{path} is no ledger of XIDs ({reason}); it is kept as {aside}, and XIDs are counted from nothing")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// Where it is now.
        aside: PathBuf,
    },
    /// Occurs when it cannot be written; it is tried again.
    #[error("{path}: {source}; counts of XIDs will not survive a restart until it can be written")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    written: u64,
    tried: Option<Instant>,
}

impl Store {
    /// Reads the file, as far as there is one, into a ledger of the boot with this id. A file that is of no use is told of and
    /// costs its counts, never the agent's start.
    pub(crate) fn load(path: &Path, boot_id: &str) -> (Self, Ledger, Option<StoreError>) {
        let (ledger, problem) = match std::fs::read(path) {
            Ok(bytes) => match serde_json::from_slice::<Ledger>(&bytes) {
                Ok(ledger) => (ledger, None),
                Err(error) => {
                    let aside = path.with_extension("json.broken");
                    let problem = match std::fs::rename(path, &aside) {
                        Ok(()) => StoreError::Broken {
                            path: path.to_owned(),
                            reason: error.to_string(),
                            aside,
                        },
                        Err(source) => StoreError::Unreadable {
                            path: path.to_owned(),
                            source,
                        },
                    };
                    (Ledger::new(boot_id), Some(problem))
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Ledger::new(boot_id), None),
            Err(source) => {
                let path = path.to_owned();
                (Ledger::new(boot_id), Some(StoreError::Unreadable { path, source }))
            }
        };
        let store = Self {
            path: path.to_owned(),
            written: ledger.changes(),
            tried: None,
        };
        (store, ledger.in_boot(boot_id), problem)
    }

    /// Writes the ledger if it changed and the last write is [`EVERY`] ago; true when it was written.
    pub(crate) fn write_if_due(&mut self, ledger: &Ledger, now: Instant) -> Result<bool, StoreError> {
        let waits = self
            .tried
            .is_some_and(|tried| now.saturating_duration_since(tried) < EVERY);
        if waits {
            return Ok(false);
        }
        self.write(ledger, now)
    }

    /// Writes the ledger if it changed, whenever the last write was: for a daemon that ends.
    pub(crate) fn write(&mut self, ledger: &Ledger, now: Instant) -> Result<bool, StoreError> {
        if ledger.changes() == self.written {
            return Ok(false);
        }
        self.tried = Some(now);
        let write = || -> io::Result<()> {
            if let Some(directory) = self.path.parent() {
                durable::directory(directory, 0o755)?;
            }
            // Lines of the kernel's log may be for root's eyes only (kernel.dmesg_restrict).
            durable::write(&self.path, &serde_json::to_vec(ledger)?, 0o600)
        };
        write().map_err(|source| StoreError::Unwritable {
            path: self.path.clone(),
            source,
        })?;
        self.written = ledger.changes();
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
