//! What can go wrong between the installer and a host. Each message names the host, the cause and the cure.

use crate::trust::TrustError;
use bedplate_protocol::Finding;
use bedplate_protocol::frame::FrameError;
use std::path::PathBuf;

/// An operation on a host that did not succeed. `said` is what the other side wrote to its standard error, the last 16 KiB.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// No connection within the deadline.
    #[error(
        "{host}: no SSH connection after {seconds} s; last: {last}\n    cure: see that the host is up and that this works from here: {command}"
    )]
    Unreachable {
        /// Which host.
        host: String,
        /// How long was tried.
        seconds: u64,
        /// The last attempt's failure.
        last: String,
        /// For the cure: the same connection with OpenSSH.
        command: String,
    },
    /// The private key cannot be used.
    #[error("SSH key {path}: {detail}\n    cure: {cure}", path = path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        detail: String,
        /// What to do.
        cure: String,
    },
    /// The host does not let this user in with this key.
    #[error("{host} does not accept the key {key}; it would accept: {methods}\n    cure: {cure}")]
    AuthenticationRefused {
        /// Which host.
        host: String,
        /// The key's file and `SHA256:…` of the key that was offered.
        key: String,
        /// What sshd offers instead.
        methods: String,
        /// The command that lets the key in.
        cure: String,
    },
    /// The host's key is not believed.
    #[error(transparent)]
    HostKey(#[from] Box<TrustError>),
    /// Both sides speak SSH and have no algorithm in common.
    #[error(
        "{host}: {detail}\n    cure: update OpenSSH on the host (8.5 or newer), or remove the algorithm restrictions from its sshd_config"
    )]
    NoCommonAlgorithm {
        /// Which host.
        host: String,
        /// Which kind, and both lists.
        detail: String,
    },
    /// The connection was there and is gone. What had been started on the host by `apply` goes on; reconnect and follow.
    #[error(
        "{host}: the connection was lost while {during} ({why}){said}\n    cure: run the command again; it goes on where it was"
    )]
    ConnectionLost {
        /// Which host.
        host: String,
        /// What was being done.
        during: String,
        /// How it was noticed.
        why: String,
        /// What the other side had written.
        said: Said,
    },
    /// The host did not do something in time.
    #[error(
        "{host}: {waiting_for} has taken {seconds} s without progress{said}\n    cure: look at the host's load and disk (`uptime; df -h; dmesg | tail`), then run the command again"
    )]
    Timeout {
        /// Which host.
        host: String,
        /// For what.
        waiting_for: String,
        /// How long.
        seconds: u64,
        /// What the other side had written.
        said: Said,
    },
    /// `sudo -n` does not make the user root.
    #[error(
        "{host}: sudo does not let {user} become root without a password{said}\n    cure: on the host, with `visudo -f /etc/sudoers.d/bedplate`, add the line\n          {line}"
    )]
    SudoRefused {
        /// Which host.
        host: String,
        /// Who.
        user: String,
        /// The exact line.
        line: String,
        /// sudo's words.
        said: Said,
    },
    /// The host's processor is not the agent's.
    #[error(
        "{host} is {host_machine}, and this agent is for {agent_machine}; nothing was copied\n    cure: leave the host out, or build an agent for it where Rust's standard library for {host_machine} is (`rustup target add {host_machine}-unknown-linux-gnu`) and name it with --agent"
    )]
    WrongArchitecture {
        /// Which host.
        host: String,
        /// Its `uname -m`.
        host_machine: String,
        /// The agent's.
        agent_machine: String,
    },
    /// The host's C library is older than the agent needs, or none that the agent can use.
    #[error(
        "{host} has {found}, and this agent needs glibc {needed} or newer; nothing was copied\n    cure: use a newer distribution on the host; after `agent/linker/install`, `cargo build --release` links the agent for glibc 2.28"
    )]
    Glibc {
        /// Which host.
        host: String,
        /// What `getconf GNU_LIBC_VERSION` answered.
        found: String,
        /// The agent's floor.
        needed: String,
    },
    /// A command on the host failed.
    #[error("{host}: {doing} failed with {status}{said}\n    cure: {cure}")]
    Command {
        /// Which host.
        host: String,
        /// What the command was for.
        doing: String,
        /// Exit status or signal.
        status: String,
        /// What it wrote.
        said: Said,
        /// What to do.
        cure: String,
    },
    /// A local file cannot be used.
    #[error("{path}: {detail}\n    cure: {cure}", path = path.display())]
    LocalFile {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
        /// What to do.
        cure: String,
    },
    /// The agent ended although the connection is there.
    #[error(
        "{host}: the agent ended ({status}) while {during}{said}\n    cure: run `bedplate-agent session </dev/null` from its directory under /usr/local/lib/bedplate on the host and read what it says"
    )]
    AgentEnded {
        /// Which host.
        host: String,
        /// What was being done.
        during: String,
        /// Exit status or signal.
        status: String,
        /// What it wrote.
        said: Said,
    },
    /// What came is no message.
    #[error(
        "{host}, {during}: {source}{said}\n    cure: remove whatever prints text for non-interactive shells from the user's shell start files on the host (~/.bashrc, /etc/profile.d)"
    )]
    Frame {
        /// Which host.
        host: String,
        /// What was being done.
        during: String,
        /// Why.
        source: FrameError,
        /// What the other side had written.
        said: Said,
    },
    /// A message that does not answer what was asked, or an agent that is not the one that was put.
    #[error(
        "{host}: asked for {asked}, the agent answered {answered}{said}\n    cure: use the installer and the agent of one release"
    )]
    UnexpectedAnswer {
        /// Which host.
        host: String,
        /// What was asked.
        asked: String,
        /// What came.
        answered: String,
        /// What the other side had written.
        said: Said,
    },
    /// The agent refused; nothing was changed on the host.
    #[error("{host}: the agent refused {asked}\n{}", list(findings))]
    Refused {
        /// Which host.
        host: String,
        /// What was asked.
        asked: String,
        /// Why, each with its cure.
        findings: Vec<Finding>,
    },
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What the other side wrote to its standard error. Shows as nothing when it wrote nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(pub(crate) String);

impl Said {
    /// Its words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.trim();
        if text.is_empty() {
            Ok(())
        } else {
            write!(f, "; the host said: {text}")
        }
    }
}

impl SshError {
    /// Whether connecting again and going on is what a caller should do.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Self::ConnectionLost { .. })
    }
}

impl From<TrustError> for SshError {
    fn from(error: TrustError) -> Self {
        Self::HostKey(Box::new(error))
    }
}
