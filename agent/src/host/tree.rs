//! A host's file tree beneath a root directory, and the list of what could not be read in it.
//!
//! Called by every reader of [`crate::host`]. Reads whole small files only, at most [`LIMIT`] bytes each, never writes,
//! and follows a symbolic link inside the root, never out of it.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// No file that a reader wants is larger; what is beyond is not read.
const LIMIT: u64 = 4 << 20;
/// As many links as Linux follows (`MAXSYMLINKS`, `path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// A root directory and what failed beneath it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    unreadable: RefCell<Vec<String>>,
}

impl Tree {
    /// The tree beneath `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            unreadable: RefCell::new(Vec::new()),
        }
    }

    /// Whether this is the host that runs us, so that system calls and systemd speak about it too.
    pub(crate) fn is_running_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where to open `path`, which need not exist where this is the running host: the kernel follows the links there, and each
    /// component looked at here would be a system call of its own.
    pub(crate) fn place(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        if self.is_running_host() {
            return Some(self.root.join(path));
        }
        self.resolve(path)
    }

    /// Where `path` leads to, links followed inside the root; absent when nothing is there.
    pub(crate) fn resolve(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        if self.is_running_host() && !self.root.join(path.as_ref()).exists() {
            return None;
        }
        let mut left: Vec<PathBuf> = parts(path.as_ref());
        let mut inside = PathBuf::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == Path::new("..") {
                inside.pop();
                continue;
            }
            let here = inside.join(&part);
            match std::fs::read_link(self.root.join(&here)) {
                Ok(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    if target.is_absolute() {
                        inside = PathBuf::new();
                    }
                    left.extend(parts(&target));
                }
                Err(_) => inside = here,
            }
        }
        let there = self.root.join(inside);
        there.symlink_metadata().is_ok().then_some(there)
    }

    /// Whether something is there.
    pub(crate) fn exists(&self, path: impl AsRef<Path>) -> bool {
        if self.is_running_host() {
            return self.root.join(path).exists();
        }
        self.resolve(path).is_some()
    }

    /// The last name of what the link at `path` says, whether or not that is there.
    pub(crate) fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        let path = path.as_ref();
        let link = self.place(path.parent()?)?.join(path.file_name()?);
        let target = std::fs::read_link(link).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The bytes of a file that need not exist; another failure is noted.
    pub(crate) fn optional_bytes(&self, path: &str) -> Option<Vec<u8>> {
        let there = self.place(path)?;
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(&there)?.take(LIMIT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.note_unless_absent(path, &error);
                None
            }
        }
    }

    /// The text of a file that need not exist. Bytes that are no UTF-8 become U+FFFD.
    pub(crate) fn optional_text(&self, path: &str) -> Option<String> {
        self.optional_bytes(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a file that every host has; its absence is noted too.
    pub(crate) fn required_text(&self, path: &str) -> String {
        let before = self.unreadable.borrow().len();
        let text = self.optional_text(path);
        if text.is_none() && self.unreadable.borrow().len() == before {
            self.note(path, &io::Error::from(io::ErrorKind::NotFound));
        }
        text.unwrap_or_default()
    }

    /// A file's text without surrounding white space; absent when the file is or when it is empty.
    pub(crate) fn word(&self, path: &str) -> Option<String> {
        self.optional_text(path)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    /// The same for a file that every host has.
    pub(crate) fn required_word(&self, path: &str) -> String {
        self.required_text(path).trim().to_owned()
    }

    /// Names in a directory, sorted; none when it does not exist.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let Some(there) = self.place(path) else {
            return Vec::new();
        };
        match std::fs::read_dir(there) {
            Ok(entries) => {
                let mut names: Vec<String> = entries
                    .flatten()
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect();
                names.sort();
                names
            }
            Err(error) => {
                self.note_unless_absent(path, &error);
                Vec::new()
            }
        }
    }

    /// Nothing there, or nothing beneath what is no directory, is no failure.
    fn note_unless_absent(&self, path: &str, error: &io::Error) {
        if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            self.note(path, error);
        }
    }

    /// Notes that something could not be read.
    pub(crate) fn note(&self, what: &str, why: &dyn std::fmt::Display) {
        self.unreadable
            .borrow_mut()
            .push(format!("/{}: {why}", what.trim_start_matches('/')));
    }

    /// What could not be read.
    pub(crate) fn into_unreadable(self) -> Vec<String> {
        self.unreadable.into_inner()
    }
}

/// A path's components, last first, so that `pop` walks it.
fn parts(path: &Path) -> Vec<PathBuf> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(PathBuf::from(name)),
            Component::ParentDir => Some(PathBuf::from("..")),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_absolute_link_stays_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        std::fs::write(root.path().join("usr/lib/os-release"), "ID=debian\n").unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        symlink("/usr/lib/os-release", root.path().join("etc/os-release")).unwrap();
        let tree = Tree::new(root.path());
        assert_eq!(tree.word("/etc/os-release").as_deref(), Some("ID=debian"));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        assert_eq!(Tree::new(root.path()).resolve("a"), None);
    }

    #[test]
    fn a_missing_file_is_noted_only_where_every_host_has_it() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::new(root.path());
        assert_eq!(tree.word("etc/machine-id"), None);
        assert_eq!(tree.required_word("proc/meminfo"), "");
        assert_eq!(tree.into_unreadable(), ["/proc/meminfo: entity not found"]);
    }
}
