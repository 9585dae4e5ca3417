//! The conversation with one agent: typed requests, each with its own limit. The installer and the substrates call it.
//!
//! Retries nothing: a caller that loses the connection connects again and goes on from the last event it has seen.

use crate::connect::{Client, Connection};
use crate::error::SshError;
use crate::put_agent::Deployed;
use crate::stream::Stream;
use crate::{exec, sudo};
use bedplate_protocol::frame::{self, FrameError};
use bedplate_protocol::message::{Expectation, Values};
use bedplate_protocol::{
    Event, Hello, NodeFacts, NodePlan, PROTOCOL_MAX, PROTOCOL_MIN, Request, Response, RunId, SecretString, Sha256Hex,
    Verdict,
};
use russh::client::Handle;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Requests that look: facts and checks run NVML in a worker with deadlines of its own.
const LOOK: Duration = Duration::from_mins(1);
/// Requests that are answered from memory or by one small file.
const SHORT: Duration = Duration::from_secs(30);
/// Sending must make progress within this, and a sent artifact be hashed and on disk.
const STALL: Duration = Duration::from_secs(30);
const STORED: Duration = Duration::from_mins(2);
const CHUNK: usize = 256 * 1024;

/// A conversation with an agent. After any error but [`SshError::Refused`] it is of no further use.
pub struct Session {
    stream: Stream,
    hello: Hello,
    /// Keeps the connection while a session is in use.
    _handle: Arc<Handle<Client>>,
}

/// How following a run ended.
#[derive(Debug)]
pub struct Followed {
    /// The last sequence number that was given to the caller, or the one before the first it asked for. Follow again from
    /// the next.
    pub last_seq: u64,
    /// `Ok` when the agent said that no more events will come.
    pub ended: Result<(), SshError>,
}

impl Connection {
    /// Starts the deployed agent and exchanges the first messages.
    pub async fn session(&self, agent: &Deployed) -> Result<Session, SshError> {
        let command = sudo::program(&self.target, &agent.path, "session");
        let stream = Stream::start(self, &command, "starting the agent").await?;
        Session::begin(self, stream, &agent.sha256).await
    }
}

impl Session {
    pub(crate) async fn begin(connection: &Connection, stream: Stream, sha256: &Sha256Hex) -> Result<Self, SshError> {
        let unknown = Hello {
            protocol_min: 0,
            protocol_max: 0,
            version: String::new(),
            sha256: sha256.clone(),
            target: String::new(),
            boot_id: String::new(),
            uid: u32::MAX,
            active_run: None,
        };
        let mut session = Self {
            stream,
            hello: unknown,
            _handle: Arc::clone(&connection.handle),
        };
        let range = Request::Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
        };
        match session.ask("greeting", &range, SHORT).await {
            Ok(Response::Hello(hello)) if hello.sha256 == *sha256 => session.hello = hello,
            Ok(Response::Hello(hello)) => {
                let answered = format!("as {}", hello.sha256);
                return Err(session.unexpected(&format!("the agent {sha256}"), answered));
            }
            Ok(other) => return Err(session.unexpected("greeting", kind(&other))),
            // An agent that ended without a word may never have been started, by sudo.
            Err(error @ SshError::AgentEnded { .. }) => {
                return Err(sudo::refusal(&connection.target, &session.stream.said()).unwrap_or(error));
            }
            Err(error) => return Err(error),
        }
        Ok(session)
    }

    /// Who the agent is, as it said at the start.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// What is there on the host. Within 60 s.
    pub async fn facts(&mut self) -> Result<NodeFacts, SshError> {
        match self.ask("facts", &Request::Facts, LOOK).await? {
            Response::Facts { facts } => Ok(*facts),
            other => Err(self.unexpected("facts", kind(&other))),
        }
    }

    /// The agent's judgement of the GPUs. Within 60 s.
    pub async fn check(&mut self, expect: Option<Expectation>) -> Result<Verdict, SshError> {
        match self.ask("check", &Request::Check { expect }, LOOK).await? {
            Response::Verdict { verdict } => Ok(verdict),
            other => Err(self.unexpected("check", kind(&other))),
        }
    }

    /// Which of these artifacts the host does not have.
    pub async fn missing_artifacts(&mut self, sha256: Vec<Sha256Hex>) -> Result<Vec<Sha256Hex>, SshError> {
        match self
            .ask("missing artifacts", &Request::MissingArtifacts { sha256 }, LOOK)
            .await?
        {
            Response::Missing { sha256 } => Ok(sha256),
            other => Err(self.unexpected("missing artifacts", kind(&other))),
        }
    }

    /// Sends a file to the host's artifact store, at most 256 KiB at a time; `on_progress` hears the bytes sent and the size.
    /// Each piece must be taken within 30 s. The agent checks hash and size.
    pub async fn put_artifact(
        &mut self,
        sha256: &Sha256Hex,
        path: &Path,
        mut on_progress: impl FnMut(u64, u64) + Send,
    ) -> Result<(), SshError> {
        let asked = format!("artifact {}", sha256.short());
        let local = |e: &str| SshError::LocalFile {
            path: path.into(),
            detail: format!("cannot send the artifact: {e}"),
            cure: "compare the artifact directory with its index: `tests/tools/build --from DIR`".into(),
        };
        let mut file = tokio::fs::File::open(path).await.map_err(|e| local(&e.to_string()))?;
        let size = file.metadata().await.map_err(|e| local(&e.to_string()))?.len();
        self.send(
            &asked,
            &Request::PutArtifact {
                sha256: sha256.clone(),
                size,
            },
        )
        .await?;
        let mut sent: u64 = 0;
        let mut buffer = vec![0; CHUNK];
        while sent < size {
            let want = usize::try_from(size - sent).unwrap_or(CHUNK).min(CHUNK);
            let n = file
                .read(&mut buffer[..want])
                .await
                .map_err(|e| local(&e.to_string()))?;
            if n == 0 {
                return Err(local("it became shorter while it was read"));
            }
            self.stream.write_all(&buffer[..n], STALL, &asked).await?;
            sent += n as u64;
            on_progress(sent, size);
        }
        self.stored(&asked, STORED).await
    }

    /// Hands over values, secrets among them. They are in no argument, log or journal.
    pub async fn values(&mut self, values: Values) -> Result<(), SshError> {
        self.send("values", &Request::Values(values)).await?;
        self.stored("values", SHORT).await
    }

    /// Hands over a plan; answers when its unit has been started. [`SshError::Refused`] when the agent will not.
    pub async fn apply(&mut self, plan: NodePlan) -> Result<RunId, SshError> {
        match self.ask("apply", &Request::Apply { plan }, LOOK).await? {
            Response::Accepted { run } => Ok(run),
            other => Err(self.unexpected("apply", kind(&other))),
        }
    }

    /// Gives every event from `from_seq` on to `on_event`, until the run's end. Has no limit of its own: steps have theirs on
    /// the host, and a host that is gone is noticed by keep-alive. Cancel through another session of the connection.
    pub async fn follow(&mut self, run: &RunId, from_seq: u64, mut on_event: impl FnMut(Event) + Send) -> Followed {
        let mut last_seq = from_seq.saturating_sub(1);
        let asked = "following";
        let mut ended = self
            .send(
                asked,
                &Request::Follow {
                    run: run.clone(),
                    from_seq,
                },
            )
            .await;
        while ended.is_ok() {
            match self.answer(asked).await {
                Ok(Response::Event { event }) => {
                    last_seq = event.seq;
                    on_event(event);
                }
                Ok(Response::FollowEnded) => break,
                Ok(other) => ended = Err(self.unexpected(asked, kind(&other))),
                Err(error) => ended = Err(error),
            }
        }
        Followed { last_seq, ended }
    }

    /// Asks the run to stop between two steps.
    pub async fn cancel(&mut self, run: &RunId) -> Result<(), SshError> {
        self.send("cancel", &Request::Cancel { run: run.clone() }).await?;
        self.stored("cancel", SHORT).await
    }

    /// The cluster administrator's kubeconfig, from a control-plane host.
    pub async fn admin_kubeconfig(&mut self) -> Result<SecretString, SshError> {
        match self.ask("kubeconfig", &Request::AdminKubeconfig, SHORT).await? {
            Response::Kubeconfig { kubeconfig } => Ok(kubeconfig),
            other => Err(self.unexpected("kubeconfig", kind(&other))),
        }
    }

    async fn ask(&mut self, asked: &str, request: &Request, limit: Duration) -> Result<Response, SshError> {
        self.send(asked, request).await?;
        self.answer_within(asked, limit).await
    }

    async fn stored(&mut self, asked: &str, limit: Duration) -> Result<(), SshError> {
        match self.answer_within(asked, limit).await? {
            Response::Stored => Ok(()),
            other => Err(self.unexpected(asked, kind(&other))),
        }
    }

    async fn answer_within(&mut self, asked: &str, limit: Duration) -> Result<Response, SshError> {
        let answer = tokio::time::timeout(limit, self.answer(asked)).await;
        answer.unwrap_or_else(|_| Err(self.stream.timeout(&format!("the answer to {asked}"), limit)))
    }

    async fn send(&mut self, asked: &str, request: &Request) -> Result<(), SshError> {
        let bytes = frame::encode(request).map_err(|e| self.bad_frame(asked, e))?;
        self.stream.write_all(&bytes, exec::STALL, asked).await
    }

    async fn answer(&mut self, asked: &str) -> Result<Response, SshError> {
        let header = self.stream.read_exact(4, asked).await?;
        let header: [u8; 4] = header.try_into().unwrap_or_default();
        let length = frame::body_length(header).map_err(|e| self.bad_frame(asked, e))?;
        let body = self.stream.read_exact(length, asked).await?;
        match frame::decode(&body).map_err(|e| self.bad_frame(asked, e))? {
            Response::Refused { findings } => Err(SshError::Refused {
                host: self.stream.host().into(),
                asked: asked.into(),
                findings,
            }),
            response => Ok(response),
        }
    }

    fn bad_frame(&self, during: &str, source: FrameError) -> SshError {
        SshError::Frame {
            host: self.stream.host().into(),
            during: during.into(),
            source,
            said: self.stream.said(),
        }
    }

    fn unexpected(&self, asked: &str, answered: impl Into<String>) -> SshError {
        let (host, said) = (self.stream.host().into(), self.stream.said());
        SshError::UnexpectedAnswer {
            host,
            asked: asked.into(),
            answered: answered.into(),
            said,
        }
    }
}

/// The answer's name, never its content: it may be a secret.
fn kind(response: &Response) -> &'static str {
    match response {
        Response::Hello(_) => "hello",
        Response::Facts { .. } => "facts",
        Response::Verdict { .. } => "verdict",
        Response::Missing { .. } => "missing",
        Response::Stored => "stored",
        Response::Accepted { .. } => "accepted",
        Response::Event { .. } => "event",
        Response::FollowEnded => "follow-ended",
        Response::Kubeconfig { .. } => "kubeconfig",
        Response::Refused { .. } => "refused",
    }
}
