//! Machines that exist already: the list in the config.
//!
//! Nothing is made, checked or contacted here; a mistake in the list was found by the config's own validation, and whether a
//! machine answers is for `bedplate-ssh` to say. Called by `bedplate`.

use crate::Machine;
use bedplate_ssh::{HostKeyTrust, Target};
use std::path::PathBuf;

/// One entry of the config's `nodes`, with its `ssh` settings already folded in.
#[derive(Debug, Clone)]
pub struct Host {
    /// The node's name.
    pub name: String,
    /// An address or a DNS name.
    pub address: String,
    /// Where sshd listens.
    pub port: u16,
    /// Root, or a user that may `sudo -n` the agent.
    pub user: String,
    /// The private key file.
    pub key: PathBuf,
    /// `hostKey` of the node: OpenSSH public key lines. When there are any, they alone are trusted.
    pub host_keys: Vec<String>,
}

/// How to trust a host whose key the config does not hold.
#[derive(Debug, Clone)]
pub enum Fallback {
    /// The key must be in this `known_hosts` file.
    KnownHosts(PathBuf),
    /// `--trust-new-host-keys`: a key that was never seen is recorded in this file; one that differs is refused.
    TrustNew(PathBuf),
}

/// The machines of a list, in its order.
pub fn machines(hosts: &[Host], fallback: &Fallback) -> Vec<Machine> {
    hosts
        .iter()
        .map(|host| {
            let trust = if host.host_keys.is_empty() {
                match fallback {
                    Fallback::KnownHosts(path) => HostKeyTrust::KnownHosts(path.clone()),
                    Fallback::TrustNew(path) => HostKeyTrust::TrustNew {
                        known_hosts: path.clone(),
                    },
                }
            } else {
                HostKeyTrust::Known(host.host_keys.clone())
            };
            Machine {
                name: host.name.clone(),
                target: Target {
                    name: host.name.clone(),
                    address: host.address.clone(),
                    port: host.port,
                    user: host.user.clone(),
                    key: host.key.clone(),
                    trust,
                },
            }
        })
        .collect()
}
