//! Whether the files that a cluster file names can be read. The one place of this room that looks at the disk.
//! Called by the verbs in `cli/`, after `parse`.

use super::ClusterSpec;
use bedplate_protocol::artifacts::INDEX_FILE;
use bedplate_protocol::{Finding, Severity};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Tries to open the SSH key and the artifact directory's index, all of them, and says which cannot be read and why.
/// Changes nothing. Known hosts may be absent: then no host key is known.
pub fn check_files(spec: &ClusterSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    let key = &spec.ssh.key;
    match open(key) {
        Err(cause) => findings.push(unreadable(
            spec,
            "ssh.key",
            key,
            &cause,
            "Write the path of your private key to `ssh: {key: …}`, or make one: ssh-keygen -t ed25519".to_owned(),
        )),
        Ok(mode) if mode & 0o077 != 0 => findings.push(Finding::new(
            Severity::Warning,
            "config-key-permissions",
            format!("{}: ssh.key", spec.file),
            format!(
                "{} has the permissions {:03o}: other users of this machine can read it",
                key.display(),
                mode & 0o777
            ),
            format!("chmod 600 {}", key.display()),
        )),
        Ok(_) => {}
    }
    let index = spec.artifacts.join(INDEX_FILE);
    if let Err(cause) = open(&index) {
        let cure = "Build it with tests/tools/build, or write the path of yours to `artifacts:`.".to_owned();
        findings.push(unreadable(spec, "artifacts", &index, &cause, cure));
    }
    findings
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

fn unreadable(spec: &ClusterSpec, key: &str, path: &Path, cause: &str, remedy: String) -> Finding {
    let message = format!("{} cannot be read: {cause}", path.display());
    Finding::new(
        Severity::Error,
        "config-unreadable-file",
        format!("{}: {key}", spec.file),
        message,
        remedy,
    )
}
