//! What survives a restart, in one file: `health.json` in the state directory. Read at the start, written when a finding, a
//! status or a GPU has changed, and at the end. Called by [`super::observer`] only.

use crate::durable;
use crate::health::Memory;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The file's form. A later one that this program cannot read is put aside, not guessed at.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'m> {
    version: u32,
    memory: &'m Memory,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    memory: Memory,
}

/// Why nothing could be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    /// The directory.
    #[error("{path} cannot be made: {source}; name another stateDirectory in the agent's configuration")]
    Directory {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file.
    #[error("{path}: {source}; the agent needs to read and write it")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// The file and what it holds.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    written: Memory,
}

impl Kept {
    /// Opens it, and what was kept. A file that is no memory, or cannot be read, is put aside as `health.json.unreadable`, which is said:
    /// what has been forgotten must not keep anybody from looking.
    pub(super) fn open(directory: &Path) -> Result<(Self, Memory, Option<String>), KeptError> {
        durable::directory(directory, 0o755).map_err(|source| KeptError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let path = directory.join("health.json");
        let (memory, aside) = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Memory::default(), None),
            Err(error) => (Memory::default(), Some(error.to_string())),
            Ok(bytes) => match serde_json::from_slice::<Read>(&bytes) {
                Ok(Read {
                    version: VERSION,
                    memory,
                }) => (memory, None),
                Ok(Read { version, .. }) => (
                    Memory::default(),
                    Some(format!("it has version {version}, and this agent reads {VERSION}")),
                ),
                Err(error) => (Memory::default(), Some(error.to_string())),
            },
        };
        let said = aside.map(|why| {
            let name = path.with_extension("json.unreadable");
            match std::fs::rename(&path, &name) {
                Ok(()) => format!("{} was put aside as {}: {why}", path.display(), name.display()),
                Err(error) => format!("{} can be neither read ({why}) nor put aside ({error})", path.display()),
            }
        });
        Ok((
            Self {
                path,
                written: memory.clone(),
            },
            memory,
            said,
        ))
    }

    /// Writes it if it is worth it; at the `end` in any case, for when the last pass was tells the next run what is past.
    pub(super) fn keep(&mut self, memory: &Memory, end: bool) -> Result<(), KeptError> {
        let worth = if end {
            *memory != self.written
        } else {
            memory.differs(&self.written)
        };
        if !worth {
            return Ok(());
        }
        let failed = |source| KeptError::File {
            path: self.path.clone(),
            source,
        };
        let bytes = serde_json::to_vec(&Written {
            version: VERSION,
            memory,
        })
        .map_err(|error| failed(error.into()))?;
        durable::write(&self.path, &bytes, 0o600).map_err(failed)?;
        self.written = memory.clone();
        Ok(())
    }
}
