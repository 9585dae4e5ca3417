//! What lies beneath a cluster: where its machines come from.
//!
//! A substrate turns its part of the configuration into [`Machine`]s, and nothing after it asks which substrate that was.
//! [`ssh_hosts`] takes machines as they stand in the config; [`simulated`] makes them out of namespaces on this machine.
//! This crate never talks to a machine over SSH and never changes one that it did not make. Called by `bedplate`
//! (`up`, `preflight`, `rehearse`) and by the whole-system tests.

pub mod simulated;
pub mod ssh_hosts;

pub use simulated::CODES;

use bedplate_ssh::{HostKeyTrust, Target};

/// The names of the config sections that belong to a substrate: opaque to the installer, which hands them over unread.
pub const SECTIONS: &[&str] = &["simulated"];

/// A machine before Kubernetes: something with a name that answers SSH.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The node's name in the config.
    pub name: String,
    /// Where and how to reach it, and whose key it must show.
    pub target: Target,
}

impl simulated::Hosts {
    /// The machines of this rehearsal: root, the generated key, and each host's own public key, which is known because it
    /// was made here.
    pub fn machines(&self) -> Vec<Machine> {
        self.access()
            .into_iter()
            .map(|access| Machine {
                name: access.name.clone(),
                target: Target {
                    name: access.name,
                    address: access.address.to_string(),
                    port: 22,
                    user: "root".to_owned(),
                    key: access.key,
                    trust: HostKeyTrust::Known(vec![access.host_key]),
                },
            })
            .collect()
    }
}
