//! What a rehearsal keeps on disk: where its machines lie, so that any later process can find and remove them.

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::spec::Gpus;

/// One machine, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostRecord {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    pub(super) gpus: Option<Gpus>,
}

impl HostRecord {
    /// The name of its nspawn machine and of its link: an interface name has 15 characters, of which nspawn takes `vb-`.
    pub(super) fn machine(&self) -> String {
        let [a, b, c, d] = self.address.octets();
        format!("m{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// `state.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) hosts: Vec<HostRecord>,
    pub(super) rootfs: PathBuf,
    /// Whether `/run/netns` existed before the first machine.
    pub(super) netns_directory_was_there: bool,
}

/// A rehearsal's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file in it.
    #[error(
        "{path}: {source}; check its permissions, or remove the rehearsal with `bedplate rehearse --down <config>`"
    )]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process works on it.
    #[error(
        "another process works on this rehearsal (lock {path}); wait for it, or end it (`fuser -v {path}` names it)"
    )]
    Locked {
        /// The lock.
        path: PathBuf,
    },
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { path, source }
}

/// Makes a directory that only root can read, unless it is there.
pub(super) fn private_directory(path: &Path) -> Result<(), StateError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(at(path))
}

/// Writes a file with these permission bits, and its directories.
pub(super) fn write(path: &Path, mode: u32, content: &str) -> Result<(), StateError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::write(path, content).map_err(at(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at(path))
}

/// A rehearsal's lock; it is given back when this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    rehearsal: PathBuf,
    _file: fs::File,
}

impl Lock {
    /// Takes the lock of the rehearsal in this folder, which need not exist.
    pub(super) fn take(rehearsal: &Path) -> Result<Self, StateError> {
        let path = rehearsal.with_extension("lock");
        loop {
            let file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(at(&path))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(StateError::Locked { path }),
                Err(error) => return Err(at(&path)(error.into())),
            }
            // Who held it may have removed the file between our open and our lock; then the lock is nobody's.
            let ours = file.metadata().map_err(at(&path))?;
            if fs::metadata(&path).is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self {
                    path,
                    rehearsal: rehearsal.to_owned(),
                    _file: file,
                });
            }
        }
    }
}

impl Drop for Lock {
    /// A rehearsal that is gone, or never was, needs no lock. The file goes while it is still locked.
    fn drop(&mut self) {
        if !self.rehearsal.exists() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl State {
    pub(super) fn read(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(directory.join("state.json")).ok()?).ok()
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), StateError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| at(directory)(error.into()))?;
        write(&directory.join("state.json"), 0o600, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_and_leaves_a_file_only_while_its_rehearsal_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let rehearsal = directory.path().join("one");
        let lock = Lock::take(&rehearsal).unwrap();
        assert!(matches!(Lock::take(&rehearsal), Err(StateError::Locked { .. })));
        fs::create_dir(&rehearsal).unwrap();
        drop(lock);
        assert!(directory.path().join("one.lock").exists());
        let lock = Lock::take(&rehearsal).unwrap();
        fs::remove_dir(&rehearsal).unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_two_hold_a_lock_whose_file_is_being_removed() {
        let directory = tempfile::tempdir().unwrap();
        let rehearsal = directory.path().join("one");
        let holders = std::sync::atomic::AtomicU32::new(0);
        let take = || {
            let mut taken = 0;
            while taken < 200 {
                if let Ok(lock) = Lock::take(&rehearsal) {
                    taken += 1;
                    assert_eq!(holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(lock);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(take);
            }
        });
        assert!(!directory.path().join("one.lock").exists());
    }
}
