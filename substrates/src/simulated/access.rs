//! How to reach the machines: addresses, keys, their network, and OpenSSH's client.

use super::state::HostRecord;
use super::{Hosts, HostsError, command, host, network, state};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// How to reach one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its name.
    pub name: String,
    /// Its address, inside the rehearsal's network namespace.
    pub address: Ipv4Addr,
    /// The private key that root's account accepts.
    pub key: PathBuf,
    /// The public key that its sshd shows.
    pub host_key: String,
}

impl Hosts {
    /// Moves the calling thread, and everything it starts from now on, into the rehearsal's network namespace. Before other
    /// threads exist this is the whole process.
    pub fn enter(&self) -> Result<(), HostsError> {
        Ok(network::enter(&self.name)?)
    }

    /// How to reach each machine, in the config's order.
    pub fn access(&self) -> Vec<Access> {
        let reach = |record: &HostRecord| Access {
            name: record.name.clone(),
            address: record.address,
            key: self.directory.join("key"),
            host_key: host::host_key(&self.host(record)).unwrap_or_default(),
        };
        self.state.hosts.iter().map(reach).collect()
    }

    /// Runs a shell command on a machine with OpenSSH's client and gives what it printed. The host key must be the recorded
    /// one. The calling thread must have entered the rehearsal's network.
    pub fn ssh(&self, name: &str, line: &str) -> Result<String, HostsError> {
        let record = self.record(name)?;
        let known = self.directory.join("known_hosts");
        let keys: Vec<String> = self
            .access()
            .iter()
            .map(|a| format!("{} {}", a.address, a.host_key))
            .collect();
        state::write(&known, 0o600, &format!("{}\n", keys.join("\n")))?;
        let mut words = vec!["60".to_owned(), "ssh".into(), "-n".into(), "-i".into()];
        words.push(self.directory.join("key").to_string_lossy().into_owned());
        for option in [
            format!("UserKnownHostsFile={}", known.display()),
            "StrictHostKeyChecking=yes".into(),
            "BatchMode=yes".into(),
            "ServerAliveInterval=5".into(),
            "ServerAliveCountMax=3".into(),
            "ConnectTimeout=10".into(),
        ] {
            words.extend(["-o".to_owned(), option]);
        }
        words.extend([format!("root@{}", record.address), line.to_owned()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(command::run(&format!("run `{line}` on {name}"), "timeout", &words)?)
    }

    /// Commands with which a person can look around, one for each machine.
    pub fn lookaround(&self) -> Vec<String> {
        let namespace = network::name(&self.name);
        let key = self.directory.join("key");
        let known = self.directory.join("known_hosts");
        self.state
            .hosts
            .iter()
            .map(|record| {
                format!(
                    "ip netns exec {namespace} ssh -i {} -o UserKnownHostsFile={} root@{}   # {}",
                    key.display(),
                    known.display(),
                    record.address,
                    record.name
                )
            })
            .collect()
    }
}
