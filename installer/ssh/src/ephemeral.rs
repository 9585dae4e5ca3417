//! A session with an agent that leaves nothing behind: for preflight, which looks at hosts before anything may change.
//!
//! The agent's file is unlinked before its first byte arrives and lives only as two open descriptors, so a lost connection,
//! a kill and a full disk all leave the host as it was.

use crate::agent_binary::AgentBinary;
use crate::connect::Connection;
use crate::error::SshError;
use crate::exec::{self, STALL};
use crate::put_agent::{Layout, judge_platform};
use crate::session::Session;
use crate::stream::Stream;
use crate::sudo;
use std::time::Duration;

/// Arguments: layout root, hash, size, whether an installed agent may be used. The installed one is taken by its place and size:
/// it says its hash itself, and a hash by a program of the host takes longer than all the rest. The first directory that may
/// execute files is used (`/tmp` and `/dev/shm` are often noexec). The installer sends frames only after `ready`, so `head`
/// cannot read past the agent.
const START: &str = r##"set -e; umask 077; p="$1/$2/bedplate-agent"; h="$2"; n="$3"; echo "machine $(uname -m)"; echo "libc $(getconf GNU_LIBC_VERSION 2>/dev/null)"; if [ "$4" = use ] && [ -x "$p" ] && [ "$(stat -c %s "$p")" = "$n" ]; then echo installed; exec "$p" session; fi; d=; for b in /run /dev/shm /tmp /var/tmp; do d=$(mktemp -d "$b/bedplate.XXXXXX" 2>/dev/null) || { d=; continue; }; trap "rm -rf \"$d\"" EXIT HUP INT TERM; if { printf "#" && printf "\041/bin/sh\nexit 0\n"; } > "$d/probe" 2>/dev/null && chmod 700 "$d/probe" && "$d/probe" 2>/dev/null; then break; fi; rm -rf "$d"; d=; done; if [ -z "$d" ]; then echo "none of /run /dev/shm /tmp /var/tmp lets root write and execute a file" >&2; exit 73; fi; : > "$d/agent"; chmod 700 "$d/agent"; exec 8> "$d/agent" 9< "$d/agent"; rm -rf "$d"; trap - EXIT HUP INT TERM; echo send; head -c "$n" >&8; exec 8>&-; set -- $(sha256sum <&9); [ "$1" = "$h" ] || { echo "what arrived has the hash $1" >&2; exit 65; }; echo ready; exec /proc/self/fd/9 session"##;

/// The hash of some tens of megabytes on a busy host.
const READY: Duration = Duration::from_mins(1);

impl Connection {
    /// A session with this agent that leaves no file on the host. Uses the installed agent if exactly this one is there.
    pub async fn ephemeral_session(&self, agent: &AgentBinary) -> Result<Session, SshError> {
        self.ephemeral_session_at(agent, &Layout::default()).await
    }

    /// [`Connection::ephemeral_session`], looking for an installed agent under another directory.
    pub async fn ephemeral_session_at(&self, agent: &AgentBinary, layout: &Layout) -> Result<Session, SshError> {
        match self.start(agent, layout, "use").await {
            // A file of that name and size which is not the agent is damaged. It is not for this session to replace.
            Err(SshError::UnexpectedAnswer { .. } | SshError::AgentEnded { .. }) => {
                self.start(agent, layout, "ignore").await
            }
            session => session,
        }
    }

    async fn start(&self, agent: &AgentBinary, layout: &Layout, installed: &str) -> Result<Session, SshError> {
        let doing = "starting the agent from memory";
        let (size, hash) = (agent.bytes().len().to_string(), agent.sha256().as_str());
        let command = sudo::as_root(&self.target, START, &[layout.root(), hash, &size, installed]);
        let mut stream = Stream::start(self, &command, doing).await?;
        match self.offered(&mut stream, agent, doing).await {
            Ok(Offer::Installed) => {}
            Ok(Offer::Send) => {
                if let Err(error) = self.upload(&mut stream, agent, doing).await {
                    return Err(exec::explain(self, doing, &stream, Some(error)));
                }
            }
            Err(error @ (SshError::WrongArchitecture { .. } | SshError::Glibc { .. })) => return Err(error),
            Err(error) => return Err(exec::explain(self, doing, &stream, Some(error))),
        }
        Session::begin(self, stream, agent.sha256()).await
    }

    /// What the host has; an error if it could not run the agent.
    async fn offered(&self, stream: &mut Stream, agent: &AgentBinary, doing: &str) -> Result<Offer, SshError> {
        let machine = self.line(stream, doing).await?;
        let libc = self.line(stream, doing).await?;
        let field = |line: &str, name: &str| line.strip_prefix(name).unwrap_or_default().trim().to_owned();
        judge_platform(
            &self.target.label(),
            agent,
            &field(&machine, "machine "),
            &field(&libc, "libc "),
        )?;
        match self.line(stream, doing).await?.as_str() {
            "installed" => Ok(Offer::Installed),
            "send" => Ok(Offer::Send),
            other => Err(self.unexpected(stream, "the line \"installed\" or \"send\"", other)),
        }
    }

    async fn upload(&self, stream: &mut Stream, agent: &AgentBinary, doing: &str) -> Result<(), SshError> {
        stream.write_all(agent.bytes(), STALL, doing).await?;
        match self.line(stream, doing).await?.as_str() {
            "ready" => Ok(()),
            other => Err(self.unexpected(stream, "the line \"ready\"", other)),
        }
    }

    async fn line(&self, stream: &mut Stream, doing: &str) -> Result<String, SshError> {
        let line = tokio::time::timeout(READY, stream.read_line(doing)).await;
        line.map_err(|_| stream.timeout(doing, READY))?
    }

    fn unexpected(&self, stream: &Stream, asked: &str, answered: &str) -> SshError {
        SshError::UnexpectedAnswer {
            host: self.target.label(),
            asked: asked.to_owned(),
            answered: format!("{answered:?}"),
            said: stream.said(),
        }
    }
}

/// What the host begins with.
enum Offer {
    /// The installed agent is running.
    Installed,
    /// It waits for the agent's bytes.
    Send,
}
