//! Which host, as whom, and whose word is taken for the host's identity. Data only; the installer makes it from the config.

use std::path::PathBuf;

/// A host that is reached by SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The node's name, for people.
    pub name: String,
    /// Host name or IP address.
    pub address: String,
    /// sshd's port.
    pub port: u16,
    /// `root`, or a user whom `sudo -n` makes root.
    pub user: String,
    /// The private key's file, without a passphrase.
    pub key: PathBuf,
    /// Whose word is taken for the host's identity.
    pub trust: HostKeyTrust,
}

/// Whose word is taken for a host's identity. There is no way to take anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyTrust {
    /// These keys and no other: lines as in `/etc/ssh/ssh_host_ed25519_key.pub`.
    Known(Vec<String>),
    /// Keys that this OpenSSH `known_hosts` file has for the host, hashed names included. Patterns with `*` are not understood.
    KnownHosts(PathBuf),
    /// As [`HostKeyTrust::KnownHosts`], and a host without an entry is believed once and recorded there. A host with
    /// another key than the recorded one is refused all the same.
    TrustNew {
        /// Read, and appended to; created with mode 0600.
        known_hosts: PathBuf,
    },
}

impl Target {
    /// `gpu-1 (root@10.0.0.5:22)`: how errors and waits name the host.
    pub(crate) fn label(&self) -> String {
        format!("{} ({}@{}:{})", self.name, self.user, self.address, self.port)
    }

    /// The host as `known_hosts` writes it: `[address]:port` unless the port is 22 (`sshd(8)`, "`SSH_KNOWN_HOSTS` FILE FORMAT").
    pub(crate) fn known_hosts_name(&self) -> String {
        if self.port == 22 {
            self.address.clone()
        } else {
            format!("[{}]:{}", self.address, self.port)
        }
    }

    /// Whether commands must go through `sudo -n`.
    pub(crate) fn needs_sudo(&self) -> bool {
        self.user != "root"
    }
}
