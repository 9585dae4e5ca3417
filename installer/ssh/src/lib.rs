//! SSH for bedplate's installer: connect, decide whom to trust, put the agent, talk to it, follow it.
//!
//! One connection a host carries everything, on few channels at a time, so that sshd's defaults (`MaxSessions 10`,
//! `MaxStartups 10:30:100`, `sshd_config(5)` of OpenSSH 9.2) are never a limit. What runs on a host is the agent and three
//! constant shell scripts that bring it there; nothing a user wrote is ever part of a remote command.
//!
//! This crate never decides what should hold on a host and never shows a secret. The installer and the substrates call it.

mod agent_binary;
mod connect;
mod ephemeral;
mod error;
mod exec;
mod put_agent;
mod session;
mod stream;
mod sudo;
mod target;
mod trust;

pub use agent_binary::{AgentBinary, Architecture, GlibcVersion};
pub use connect::Connection;
pub use error::{Said, SshError};
pub use put_agent::{Deployed, Layout};
pub use session::{Followed, Session};
pub use target::{HostKeyTrust, Target};
pub use trust::TrustError;
