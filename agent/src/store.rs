//! The artifact store of a host: compressed programs and images, each under the hash of its own bytes.
//!
//! Filled by the session, read by the steps `program` and `image`. Nothing enters under a name that is not its hash, so a
//! file that is there needs no second check until it is decompressed, where the content's own hash is checked again. What
//! arrives waits in a folder named for the boot until [`ArtifactStore::settle`] flushes all of it at once: a flush a file
//! would hold up the next one's arrival, and a power cut before that costs only a second transfer.

use bedplate_protocol::Sha256Hex;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Before a boot id: the folder of what arrived in it.
const ARRIVED: &str = "arrived-";

/// An artifact that cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The disk says no.
    #[error("artifact {sha256} cannot be {action} in {path}: {source}")]
    Io {
        /// Which.
        sha256: String,
        /// Where.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// What arrived cannot be flushed or given its name.
    #[error("artifacts that arrived cannot be taken into {path}: {source}; look at `df {}` and `dmesg`", path.display())]
    Settle {
        /// The store.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The stream ended early.
    #[error("artifact {sha256} ended after {arrived} of {size} bytes: the connection was lost; run the command again")]
    Short {
        /// Which.
        sha256: String,
        /// Bytes that came.
        arrived: u64,
        /// Bytes that were announced.
        size: u64,
    },
    /// Other bytes than announced.
    #[error(
        "artifact {expected} arrived with hash {found}: the file changed on its way or on the installer's disk; make the artifact directory again"
    )]
    Hash {
        /// What was announced.
        expected: String,
        /// What came.
        found: String,
    },
}

/// The store in one directory.
#[derive(Debug, Clone)]
pub(crate) struct ArtifactStore {
    dir: PathBuf,
}

impl ArtifactStore {
    /// The store in `dir`, which need not exist yet.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Flushes what has arrived in this boot and takes it in; what arrived in another, and may be cut short, is removed.
    pub(crate) fn settle(&self, boot_id: &str) -> Result<(), StoreError> {
        self.take_in(boot_id).map_err(|source| StoreError::Settle {
            path: self.dir.clone(),
            source,
        })
    }

    fn take_in(&self, boot_id: &str) -> io::Result<()> {
        let current = self.arrivals(boot_id);
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let arrivals = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(ARRIVED.as_bytes()));
            if arrivals && path != current {
                fs::remove_dir_all(path)?;
            }
        }
        if !current.is_dir() {
            return Ok(());
        }
        crate::durable::flush([current.as_path()])?;
        for entry in fs::read_dir(&current)? {
            let entry = entry?;
            fs::rename(entry.path(), self.dir.join(entry.file_name()))?;
        }
        fs::remove_dir(&current)?;
        File::open(&self.dir)?.sync_all()
    }

    fn arrivals(&self, boot_id: &str) -> PathBuf {
        self.dir.join(format!("{ARRIVED}{boot_id}"))
    }

    /// Whether this artifact is there.
    pub(crate) fn has(&self, sha256: &Sha256Hex) -> bool {
        self.dir.join(sha256.as_str()).is_file()
    }

    /// Reads exactly `size` bytes and keeps them, until [`ArtifactStore::settle`], if their hash is `sha256`. All bytes are taken from `source` even when
    /// they are not kept, so that the stream stays in step; only a stream that itself fails does not.
    pub(crate) fn put(
        &self,
        sha256: &Sha256Hex,
        size: u64,
        source: &mut dyn Read,
        boot_id: &str,
    ) -> Result<(), StoreError> {
        let mut body = source.take(size);
        let kept = self.receive(sha256, size, &mut body, &self.arrivals(boot_id));
        let drained = io::copy(&mut body, &mut io::sink());
        kept.and(
            drained
                .map(drop)
                .map_err(|source| self.failed(sha256, "received", source)),
        )
    }

    fn receive(&self, sha256: &Sha256Hex, size: u64, body: &mut dyn Read, arrivals: &Path) -> Result<(), StoreError> {
        let failed = |source| self.failed(sha256, "stored", source);
        crate::durable::directory(arrivals, 0o700).map_err(failed)?;
        let mut file = crate::durable::Pending::create(&arrivals.join(sha256.as_str())).map_err(failed)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut arrived = 0;
        loop {
            let count = body
                .read(&mut buffer)
                .map_err(|source| self.failed(sha256, "received", source))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            file.write_all(&buffer[..count]).map_err(failed)?;
            arrived += count as u64;
        }
        if arrived != size {
            return Err(StoreError::Short {
                sha256: sha256.to_string(),
                arrived,
                size,
            });
        }
        let found = Sha256Hex::from_hasher(hasher);
        if found != *sha256 {
            return Err(StoreError::Hash {
                expected: sha256.to_string(),
                found: found.to_string(),
            });
        }
        file.publish_unflushed(0o600).map_err(failed)
    }

    /// The artifact's content, decompressed while it is read.
    pub(crate) fn open(&self, sha256: &Sha256Hex) -> Result<impl Read + Send + use<>, StoreError> {
        let failed = |source| self.failed(sha256, "read", source);
        let file = File::open(self.dir.join(sha256.as_str())).map_err(failed)?;
        zstd::Decoder::new(file).map_err(failed)
    }

    fn failed(&self, sha256: &Sha256Hex, action: &'static str, source: io::Error) -> StoreError {
        StoreError::Io {
            sha256: sha256.to_string(),
            path: self.dir.clone(),
            action,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_kept_under_its_hash_and_read_decompressed() {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(dir.path().join("artifacts"));
        let packed = zstd::encode_all(&b"a program"[..], 3).unwrap();
        let hash = Sha256Hex::of(&packed);
        store
            .put(&hash, packed.len() as u64, &mut packed.as_slice(), "boot")
            .unwrap();
        assert!(!store.has(&hash), "not yet flushed");
        store.settle("boot").unwrap();
        assert!(store.has(&hash));
        assert_eq!(std::fs::read_dir(dir.path().join("artifacts")).unwrap().count(), 1);
        let mut text = String::new();
        store.open(&hash).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "a program");
    }

    #[test]
    fn what_arrived_before_a_boot_and_was_not_flushed_is_not_taken_in() {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(dir.path().to_owned());
        let hash = Sha256Hex::of(b"bytes");
        store.put(&hash, 5, &mut &b"bytes"[..], "before").unwrap();
        store.settle("after").unwrap();
        assert!(!store.has(&hash));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn other_bytes_than_announced_are_refused_and_the_stream_stays_in_step() {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(dir.path().to_owned());
        let hash = Sha256Hex::of(b"announced");
        let mut stream: &[u8] = b"somethingnext frame";
        assert!(matches!(
            store.put(&hash, 9, &mut stream, "boot"),
            Err(StoreError::Hash { .. })
        ));
        assert_eq!(stream, b"next frame");
        assert!(matches!(
            store.put(&hash, 99, &mut stream, "boot"),
            Err(StoreError::Short { arrived: 10, .. })
        ));
        assert_eq!(
            std::fs::read_dir(dir.path().join("arrived-boot")).unwrap().count(),
            0,
            "nothing half-stored is left"
        );
    }
}
