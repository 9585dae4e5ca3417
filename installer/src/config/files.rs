//! Whether the files that a cluster file names can be read. The one place of this room that looks at the disk.
//! Called by the verbs in `cli/`, after `parse`, whether or not that found mistakes.

use bedplate_protocol::{Finding, Severity};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file that a cluster file names, or would if it did not leave it to the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Absolute.
    pub path: PathBuf,
    /// Where it is named, `cluster.yaml:3:12`; where it is not, `cluster.yaml: ssh.key`.
    pub named_at: String,
}

/// The files that a cluster file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFiles {
    /// `ssh.key`.
    pub key: NamedFile,
    /// `artifacts`: the directory.
    pub artifacts: NamedFile,
}

/// Tries to open the SSH key, and says why it cannot be read or who else can. Changes nothing. Known hosts may be absent: then
/// no host key is known.
pub fn check_key(key: &NamedFile) -> Vec<Finding> {
    let path = key.path.display();
    match open(&key.path) {
        Err(cause) => vec![Finding::new(
            Severity::Error,
            "config-unreadable-file",
            &key.named_at,
            format!("{path} cannot be read: {cause}"),
            "Write the path of your private key to `ssh: {key: …}`, or make one: ssh-keygen -t ed25519",
        )],
        Ok(mode) if mode & 0o077 != 0 => vec![Finding::new(
            Severity::Warning,
            "config-key-permissions",
            &key.named_at,
            format!(
                "{path} has the permissions {:03o}: other users of this machine can read it",
                mode & 0o777
            ),
            format!("chmod 600 {path}"),
        )],
        Ok(_) => Vec::new(),
    }
}

/// The permission bits of a file that could be opened.
fn open(path: &Path) -> Result<u32, String> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if metadata.is_file() {
        Ok(metadata.permissions().mode())
    } else {
        Err("it is no file".to_owned())
    }
}
