//! A session with an agent that leaves nothing behind: for preflight, which looks at hosts before anything may change.
//!
//! The agent's file is unlinked before its first byte arrives and lives only as two open descriptors, so a lost connection,
//! a kill and a full disk all leave the host as it was.

use crate::agent_binary::AgentBinary;
use crate::connect::Connection;
use crate::error::SshError;
use crate::exec::{self, STALL};
use crate::put_agent::Layout;
use crate::session::Session;
use crate::stream::Stream;
use crate::sudo;
use std::time::Duration;

/// Arguments: size, hash. The first directory that may execute files is used (`/tmp` and `/dev/shm` are often noexec). The
/// installer sends frames only after `ready`, so `head` cannot read past the agent.
const START: &str = r##"set -e; umask 077; n="$1"; h="$2"; d=; for b in /run /dev/shm /tmp /var/tmp; do d=$(mktemp -d "$b/bedplate.XXXXXX" 2>/dev/null) || { d=; continue; }; trap "rm -rf \"$d\"" EXIT HUP INT TERM; if { printf "#" && printf "\041/bin/sh\nexit 0\n"; } > "$d/probe" 2>/dev/null && chmod 700 "$d/probe" && "$d/probe" 2>/dev/null; then break; fi; rm -rf "$d"; d=; done; if [ -z "$d" ]; then echo "none of /run /dev/shm /tmp /var/tmp lets root write and execute a file" >&2; exit 73; fi; : > "$d/agent"; chmod 700 "$d/agent"; exec 8> "$d/agent" 9< "$d/agent"; rm -rf "$d"; trap - EXIT HUP INT TERM; echo send; head -c "$n" >&8; exec 8>&-; set -- $(sha256sum <&9); [ "$1" = "$h" ] || { echo "what arrived has the hash $1" >&2; exit 65; }; echo ready; exec /proc/self/fd/9 session"##;

/// The hash of some tens of megabytes on a busy host.
const READY: Duration = Duration::from_mins(1);

impl Connection {
    /// A session with this agent that leaves no file on the host. Uses the installed agent if exactly this one is there.
    pub async fn ephemeral_session(&self, agent: &AgentBinary) -> Result<Session, SshError> {
        self.ephemeral_session_at(agent, &Layout::default()).await
    }

    /// [`Connection::ephemeral_session`], looking for an installed agent under another directory.
    pub async fn ephemeral_session_at(&self, agent: &AgentBinary, layout: &Layout) -> Result<Session, SshError> {
        if let Some(deployed) = self.find_agent(agent, layout).await? {
            return self.session(&deployed).await;
        }
        let doing = "starting the agent from memory";
        let size = agent.bytes().len().to_string();
        let command = sudo::as_root(&self.target, START, &[&size, agent.sha256().as_str()]);
        let mut stream = Stream::start(self, &command, doing).await?;
        if let Err(error) = self.upload(&mut stream, agent, doing).await {
            return Err(exec::explain(self, doing, &stream, Some(error)));
        }
        Session::begin(self, stream, agent.sha256()).await
    }

    async fn upload(&self, stream: &mut Stream, agent: &AgentBinary, doing: &str) -> Result<(), SshError> {
        self.expect_line(stream, "send", doing).await?;
        stream.write_all(agent.bytes(), STALL, doing).await?;
        self.expect_line(stream, "ready", doing).await
    }

    async fn expect_line(&self, stream: &mut Stream, wanted: &str, doing: &str) -> Result<(), SshError> {
        let line = tokio::time::timeout(READY, stream.read_line(doing)).await;
        let line = line.map_err(|_| stream.timeout(doing, READY))??;
        if line == wanted {
            return Ok(());
        }
        Err(SshError::UnexpectedAnswer {
            host: self.target.label(),
            asked: format!("the line {wanted:?}"),
            answered: format!("{line:?}"),
            said: stream.said(),
        })
    }
}
