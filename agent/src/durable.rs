//! Writes files so that after a power cut there is the old content or the new one, never a piece; large ones by the dozen so
//! that this holds once all of them are flushed.
//!
//! Called by everything in the agent that writes a file: steps, the artifact store, values, the plan's admission. It never
//! decides what is written and never makes parent directories without being asked.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file beside its final place. Removed when it is dropped before [`Pending::publish`].
pub(crate) struct Pending {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    published: bool,
}

impl Pending {
    /// Opens a temporary file in the directory of `path`, readable by its owner only until it is published. What an
    /// interrupted attempt of this process id left there is overwritten.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "path names no file"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".bedplate-{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        Ok(Self {
            file,
            temporary,
            path: path.to_owned(),
            published: false,
        })
    }

    /// Sets the permission bits, flushes to the disk and puts the file in its place.
    pub(crate) fn publish(mut self, mode: u32) -> io::Result<()> {
        self.prepare(mode)?;
        self.file.sync_all()?;
        self.rename()?;
        sync_parent(&self.path)
    }

    /// Sets the permission bits and puts the file in its place; a power cut before [`flush`] may leave a piece of it. For
    /// large files whose content is known by its hash, many of which are flushed at once.
    pub(crate) fn publish_unflushed(mut self, mode: u32) -> io::Result<()> {
        self.prepare(mode)?;
        self.rename()
    }

    fn prepare(&mut self, mode: u32) -> io::Result<()> {
        self.file.flush()?;
        // After the umask had its say, so that the bits are exactly those asked for.
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    fn rename(&mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.published = true;
        Ok(())
    }
}

/// Flushes the filesystems that hold these directories, each once: what was written there survives a power cut.
pub(crate) fn flush<'a>(directories: impl IntoIterator<Item = &'a Path>) -> io::Result<()> {
    let mut flushed = BTreeSet::new();
    for directory in directories {
        let directory = File::open(directory)?;
        if flushed.insert(directory.metadata()?.dev()) {
            rustix::fs::syncfs(&directory)?;
        }
    }
    Ok(())
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a failure here; the next attempt overwrites the file.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Puts `content` at `path` with exactly these permission bits.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut pending = Pending::create(path)?;
    pending.write_all(content)?;
    pending.publish(mode)
}

/// Makes a directory and its parents; those that are made have these permission bits.
pub(crate) fn directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Makes the entry of `path` in its directory survive a power cut.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes a file; one that is not there is as good.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
