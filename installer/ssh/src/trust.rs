//! Whether the key a host presents is the one that was expected. Called by `connect` during the key exchange.
//!
//! A key that differs from a known one is always refused; an unknown one is refused unless the caller said
//! [`HostKeyTrust::TrustNew`]. Nothing is ever removed from a `known_hosts` file.

use crate::target::{HostKeyTrust, Target};
use russh::keys::{Algorithm, HashAlg, PublicKey, known_hosts};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a host's key is not believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The host has another key than the one that is known.
    #[error(
        "{host} presents the host key {presented}, but known is {known}: it was reinstalled, or somebody sits in between\n    cure: {cure}"
    )]
    Mismatch {
        /// Which host.
        host: String,
        /// `SHA256:…` of what it presents, with the algorithm.
        presented: String,
        /// `SHA256:…` of each known key, with where it is written.
        known: String,
        /// What to do.
        cure: String,
    },
    /// Nothing is known about the host.
    #[error(
        "{host} presents the host key {presented}, and {looked_in} has none for it\n    cure: compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console, then write into the node's entry\n          hostKey: \"{line}\"\n          or take it once with --trust-new-host-keys"
    )]
    Unknown {
        /// Which host.
        host: String,
        /// `SHA256:…` of what it presents, with the algorithm.
        presented: String,
        /// Where a key was looked for.
        looked_in: String,
        /// The OpenSSH public key line.
        line: String,
    },
    /// The key has been revoked.
    #[error(
        "{host} presents the host key {presented}, which {at} revokes\n    cure: give the host new keys (`rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh` on its console); never remove the revocation"
    )]
    Revoked {
        /// Which host.
        host: String,
        /// `SHA256:…` of what it presents, with the algorithm.
        presented: String,
        /// File and line.
        at: String,
    },
    /// A key line that cannot be read.
    #[error(
        "{at}: no OpenSSH public key ({detail})\n    cure: put the output of `ssh-keyscan -t ed25519 HOST`, without the host's name, there: ssh-ed25519 AAAA…"
    )]
    Malformed {
        /// Where it is written.
        at: String,
        /// Why.
        detail: String,
    },
    /// A `known_hosts` file that cannot be read or written.
    #[error("cannot {action} {path}: {source}\n    cure: make it a file that you own: chown \"$USER\" {path}; chmod 600 {path}", path = path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

struct Known {
    key: PublicKey,
    at: String,
}

/// The host key algorithms of the keys that are known for the target, so that the key exchange asks for those first.
pub(crate) fn known_algorithms(target: &Target) -> Result<Vec<Algorithm>, TrustError> {
    Ok(known_keys(target)?.iter().map(|known| known.key.algorithm()).collect())
}

/// Believes the presented key or says why not; records it where the trust allows new keys.
pub(crate) fn judge(target: &Target, presented: &PublicKey) -> Result<(), TrustError> {
    if let Some(path) = known_hosts_file(&target.trust) {
        refuse_revoked(target, presented, path)?;
    }
    let known = known_keys(target)?;
    if known.iter().any(|k| k.key.key_data() == presented.key_data()) {
        return Ok(());
    }
    if !known.is_empty() {
        return Err(mismatch(target, presented, &known));
    }
    match &target.trust {
        HostKeyTrust::TrustNew { known_hosts } => record(target, presented, known_hosts),
        HostKeyTrust::Known(_) => Err(unknown(target, presented, "the config's hostKey".into())),
        HostKeyTrust::KnownHosts(path) => Err(unknown(target, presented, path.display().to_string())),
    }
}

fn known_hosts_file(trust: &HostKeyTrust) -> Option<&Path> {
    match trust {
        HostKeyTrust::Known(_) => None,
        HostKeyTrust::KnownHosts(path) | HostKeyTrust::TrustNew { known_hosts: path } => Some(path),
    }
}

fn known_keys(target: &Target) -> Result<Vec<Known>, TrustError> {
    let Some(path) = known_hosts_file(&target.trust) else {
        let HostKeyTrust::Known(lines) = &target.trust else {
            return Ok(Vec::new());
        };
        return lines
            .iter()
            .map(|line| {
                let at = format!("hostKey of {} in the config", target.name);
                let key = PublicKey::from_openssh(line.trim()).map_err(|e| TrustError::Malformed {
                    at: at.clone(),
                    detail: e.to_string(),
                })?;
                Ok(Known { key, at })
            })
            .collect();
    };
    // russh answers "no entry" for a file it cannot open, so that a wrong permission would look like a new host; and it does
    // not count comment lines, so its numbers are mapped to the file's own.
    let text = read(path)?;
    let numbers: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'))
        .map(|(i, _)| i + 1)
        .collect();
    let found =
        known_hosts::known_host_keys_path(&target.address, target.port, path).map_err(|e| TrustError::Malformed {
            at: path.display().to_string(),
            detail: e.to_string(),
        })?;
    let place = |line: usize| numbers.get(line.saturating_sub(1)).copied().unwrap_or(line);
    Ok(found
        .into_iter()
        .map(|(line, key)| Known {
            key,
            at: format!("{}:{}", path.display(), place(line)),
        })
        .collect())
}

fn read(path: &Path) -> Result<String, TrustError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(TrustError::File {
            action: "read",
            path: path.into(),
            source,
        }),
    }
}

/// A `@revoked` line counts whatever host pattern it has: stricter than OpenSSH, and a revoked key has no good use elsewhere.
fn refuse_revoked(target: &Target, presented: &PublicKey, path: &Path) -> Result<(), TrustError> {
    for (i, line) in read(path)?.lines().enumerate() {
        let mut words = line.split_whitespace();
        if words.next() != Some("@revoked") {
            continue;
        }
        let key = words
            .nth(2)
            .and_then(|blob| russh::keys::parse_public_key_base64(blob).ok());
        if key.is_some_and(|key| key.key_data() == presented.key_data()) {
            let at = format!("{}:{}", path.display(), i + 1);
            return Err(TrustError::Revoked {
                host: target.label(),
                presented: describe(presented),
                at,
            });
        }
    }
    Ok(())
}

fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

fn line_of(key: &PublicKey) -> String {
    key.to_openssh().unwrap_or_else(|e| format!("(cannot be written: {e})"))
}

fn mismatch(target: &Target, presented: &PublicKey, known: &[Known]) -> TrustError {
    let list: Vec<String> = known
        .iter()
        .map(|k| format!("{} ({})", describe(&k.key), k.at))
        .collect();
    let check = "compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console; only if it is the host's own, ";
    let edit = match known_hosts_file(&target.trust) {
        Some(path) => format!("ssh-keygen -R '{}' -f {}", target.known_hosts_name(), path.display()),
        None => format!("set hostKey: \"{}\"", line_of(presented)),
    };
    TrustError::Mismatch {
        host: target.label(),
        presented: describe(presented),
        known: list.join(", "),
        cure: format!("{check}{edit}"),
    }
}

fn unknown(target: &Target, presented: &PublicKey, looked_in: String) -> TrustError {
    TrustError::Unknown {
        host: target.label(),
        presented: describe(presented),
        looked_in,
        line: line_of(presented),
    }
}

/// Appends one line in one write, under a lock: several hosts are met at the same time.
fn record(target: &Target, presented: &PublicKey, path: &Path) -> Result<(), TrustError> {
    let failed = |source| TrustError::File {
        action: "write",
        path: path.into(),
        source,
    };
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.lock().map_err(failed)?;
    // Another connection may have recorded this host, with this key or another one, while this one waited for the lock.
    let known = known_keys(target)?;
    if known.iter().any(|k| k.key.key_data() == presented.key_data()) {
        return Ok(());
    }
    if !known.is_empty() {
        return Err(mismatch(target, presented, &known));
    }
    let text = read(path)?;
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let bare = PublicKey::new(presented.key_data().clone(), "");
    let entry = format!("{gap}{} {}\n", target.known_hosts_name(), line_of(&bare).trim_end());
    file.write_all(entry.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}
