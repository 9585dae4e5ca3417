//! The byte stream of one channel: what the remote program writes, what it is sent, how it ended. Used by `exec`, by
//! `ephemeral` and by `session`; knows nothing of messages.

use crate::connect::{Connection, Notes};
use crate::error::{Said, SshError};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How much of the remote standard error is kept, the end of it.
const SAID_LIMIT: usize = 16 * 1024;
/// A host that accepts the connection and then does not start a program.
const START: Duration = Duration::from_secs(30);
/// What is sent at once; also how often progress is noticed.
const CHUNK: usize = 256 * 1024;

pub(crate) struct Stream {
    host: String,
    notes: Notes,
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    inbound: VecDeque<u8>,
    stderr: VecDeque<u8>,
    status: Option<String>,
    eof: bool,
    closed: bool,
}

impl Stream {
    /// Starts a command on a channel of its own.
    pub(crate) async fn start(connection: &Connection, command: &str, during: &str) -> Result<Self, SshError> {
        let open = async {
            let channel = connection.handle.channel_open_session().await?;
            channel.exec(false, command).await?;
            Ok::<_, russh::Error>(channel)
        };
        let timeout = || SshError::Timeout {
            host: connection.target.label(),
            waiting_for: format!("a channel for {during}"),
            seconds: START.as_secs(),
            said: Said::default(),
        };
        let channel = tokio::time::timeout(START, open)
            .await
            .map_err(|_| timeout())?
            .map_err(|error| match error {
                russh::Error::ChannelOpenFailure(reason) => SshError::Command {
                    host: connection.target.label(),
                    doing: during.into(),
                    status: format!("sshd opening no channel: {reason:?}"),
                    said: Said::default(),
                    cure: "raise MaxSessions in the host's sshd_config (default 10), then `systemctl reload ssh`"
                        .into(),
                },
                _ => connection.lost(during),
            })?;
        let (read, write) = channel.split();
        Ok(Self {
            host: connection.target.label(),
            notes: connection.notes.clone(),
            read,
            write,
            inbound: VecDeque::new(),
            stderr: VecDeque::new(),
            status: None,
            eof: false,
            closed: false,
        })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn said(&self) -> Said {
        let bytes: Vec<u8> = self.stderr.iter().copied().collect();
        Said(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How the program ended; absent while it runs, and for ever when the connection was lost.
    pub(crate) fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    fn take(&mut self, message: Option<ChannelMsg>) {
        match message {
            Some(ChannelMsg::Data { data }) => self.inbound.extend(&data),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                self.stderr.extend(&data);
                let excess = self.stderr.len().saturating_sub(SAID_LIMIT);
                self.stderr.drain(..excess);
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(format!("exit status {exit_status}")),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => self.status = Some(format!("signal {signal_name:?}")),
            Some(ChannelMsg::Eof) => self.eof = true,
            Some(ChannelMsg::Close) | None => {
                self.eof = true;
                self.closed = true;
            }
            Some(_) => {}
        }
    }

    /// The stream has ended before what was expected came: by its program's end or by the connection's.
    pub(crate) async fn ended(&mut self, during: &str) -> SshError {
        // The exit status follows the end of the output at once, if the connection is there.
        let drain = async {
            while !self.closed {
                let message = self.read.wait().await;
                self.take(message);
            }
        };
        let _ = tokio::time::timeout(START, drain).await;
        match self.status.clone() {
            Some(status) => SshError::AgentEnded {
                host: self.host.clone(),
                during: during.into(),
                status,
                said: self.said(),
            },
            None => SshError::ConnectionLost {
                host: self.host.clone(),
                during: during.into(),
                why: self.notes.why_lost(),
                said: self.said(),
            },
        }
    }

    pub(crate) fn timeout(&self, waiting_for: &str, limit: Duration) -> SshError {
        SshError::Timeout {
            host: self.host.clone(),
            waiting_for: waiting_for.into(),
            seconds: limit.as_secs(),
            said: self.said(),
        }
    }

    /// Exactly `n` bytes; waits without a limit of its own (keep-alive ends it when the host is gone).
    pub(crate) async fn read_exact(&mut self, n: usize, during: &str) -> Result<Vec<u8>, SshError> {
        while self.inbound.len() < n {
            if self.eof {
                return Err(self.ended(during).await);
            }
            let message = self.read.wait().await;
            self.take(message);
        }
        Ok(self.inbound.drain(..n).collect())
    }

    /// One line without its end, at most 4 KiB.
    pub(crate) async fn read_line(&mut self, during: &str) -> Result<String, SshError> {
        let mut line = Vec::new();
        while line.len() < 4096 {
            match self.read_exact(1, during).await?.as_slice() {
                [b'\n'] => break,
                byte => line.extend_from_slice(byte),
            }
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Sends everything, within the channel's window; each 256 KiB must be taken within `stall`. What arrives meanwhile is
    /// kept, or a talkative program and this one would wait for each other.
    pub(crate) async fn write_all(&mut self, bytes: &[u8], stall: Duration, during: &str) -> Result<(), SshError> {
        for chunk in bytes.chunks(CHUNK) {
            let mut writer = self.write.make_writer();
            let sending = async { writer.write_all(chunk).await };
            tokio::pin!(sending);
            let limit = tokio::time::sleep(stall);
            tokio::pin!(limit);
            let sent = loop {
                tokio::select! {
                    result = &mut sending => break result.is_ok(),
                    message = self.read.wait(), if !self.closed => {
                        self.take(message);
                        if self.closed { break false; }
                    }
                    () = &mut limit => return Err(self.timeout(during, stall)),
                }
            };
            if !sent {
                return Err(self.ended(during).await);
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish_input(&mut self) {
        // When this fails the channel has ended, and reading says how.
        let _ = self.write.eof().await;
    }

    /// Reads to the end of the program: its output.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        while !self.closed {
            let message = self.read.wait().await;
            self.take(message);
        }
        self.inbound.drain(..).collect()
    }
}
