//! What a rehearsal keeps on disk: where its machines lie, so that any later process can find and remove them.

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
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

/// Takes the rehearsal's lock; it is given back when the file is dropped or the process ends, however it ends.
pub(super) fn lock(path: PathBuf) -> Result<fs::File, StateError> {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(at(&path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StateError::Locked { path }),
        Err(error) => Err(at(&path)(error.into())),
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
