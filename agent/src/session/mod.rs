//! The agent's end of the conversation with an installer: reads requests, answers each as the protocol says.
//!
//! Called by the verb `session` only. Whatever goes wrong with one request is a `Refused` answer and the conversation goes
//! on; it ends when the stream ends or is no longer a sequence of frames.

mod follow;
mod hello;
mod refusal;

use crate::apply::{self, ApplyError, Layout};
use crate::once;
use crate::store::ArtifactStore;
use bedplate_protocol::frame::{self, FrameError};
use bedplate_protocol::{Finding, Mode, NodeFacts, NodePlan, Request, Response, RunId};
use bedplate_protocol::{SecretString, Severity};
use refusal::refusal;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread::{self, JoinHandle};

/// A conversation that cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The stream broke.
    #[error("the conversation with the installer broke: {0}; run the command again")]
    Io(#[from] io::Error),
    /// The stream is not what the protocol says.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// One conversation.
pub(crate) struct Session<R, W> {
    input: R,
    output: W,
    layout: Layout,
    /// The facts of the answer before this request, if that was one.
    answered: Option<Box<NodeFacts>>,
    /// Runs that only look are carried out in this process.
    looking: BTreeMap<RunId, JoinHandle<()>>,
}

impl<R: Read, W: Write> Session<R, W> {
    /// With the installer at the other end of these two.
    pub(crate) fn new(input: R, output: W) -> Self {
        Self {
            input,
            output,
            layout: Layout::new(Path::new("/")),
            answered: None,
            looking: BTreeMap::new(),
        }
    }

    /// Answers until the installer closes its end between two requests.
    pub(crate) fn serve(&mut self) -> Result<(), SessionError> {
        while let Some(body) = self.receive()? {
            match frame::decode::<Request>(&body) {
                Ok(request) => self.answer(request)?,
                Err(error) => self.say(&Response::Refused {
                    findings: refusal::unreadable(&body, &error),
                })?,
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<Vec<u8>>, SessionError> {
        let mut header = [0; 4];
        // An end before the first byte is a farewell; one inside a frame is a break.
        loop {
            match self.input.read(&mut header[..1]) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.input.read_exact(&mut header[1..])?;
        let mut body = vec![0; frame::body_length(header)?];
        self.input.read_exact(&mut body)?;
        Ok(Some(body))
    }

    fn say(&mut self, response: &Response) -> Result<(), SessionError> {
        self.output.write_all(&frame::encode(response)?)?;
        self.output.flush()?;
        Ok(())
    }

    fn answer(&mut self, request: Request) -> Result<(), SessionError> {
        let answered = self.answered.take();
        let response = match request {
            Request::Hello {
                protocol_min,
                protocol_max,
            } => hello::answer(&self.layout, protocol_min, protocol_max),
            Request::Facts => {
                let facts = Box::new(crate::host::read_facts(Path::new("/")));
                self.answered = Some(facts.clone());
                Response::Facts { facts }
            }
            Request::Check { expect } => {
                // Asked for both, the installer gets the judgement of the very facts that it was shown, for one look at NVML.
                let facts = answered.unwrap_or_else(|| Box::new(crate::host::read_facts(Path::new("/"))));
                Response::Verdict {
                    verdict: once::judge(&facts, expect.as_ref()),
                }
            }
            Request::MissingArtifacts { sha256 } => {
                let store = ArtifactStore::new(self.layout.artifacts());
                // What a lost connection has left is no less there.
                match store.settle(&apply::boot_id(&self.layout)) {
                    Ok(()) => Response::Missing {
                        sha256: sha256.into_iter().filter(|hash| !store.has(hash)).collect(),
                    },
                    Err(error) => done(Err(error.to_string()), "artifact-not-stored"),
                }
            }
            Request::PutArtifact { sha256, size } => {
                let stored = self.own_state().map_err(|error| error.to_string());
                let boot_id = apply::boot_id(&self.layout);
                let put = ArtifactStore::new(self.layout.artifacts()).put(&sha256, size, &mut self.input, &boot_id);
                done(
                    stored.and(put.map_err(|error| error.to_string())),
                    "artifact-not-stored",
                )
            }
            Request::Values(values) => {
                let ready = self.own_runtime().map_err(|error| error.to_string());
                let kept =
                    ready.and_then(|()| crate::values::keep(&self.layout, &values).map_err(|error| error.to_string()));
                done(kept, "values-not-kept")
            }
            Request::Apply { plan } => self.apply(plan),
            Request::Follow { run, from_seq } => return self.follow(&run, from_seq),
            Request::Cancel { run } => match apply::request_cancel(&self.layout, &run) {
                Ok(true) => Response::Stored,
                Ok(false) => refusal(
                    "run-unknown",
                    format!("this host has no run {run}"),
                    "see `ls /var/lib/bedplate/runs`",
                ),
                Err(error) => failure(&error),
            },
            Request::AdminKubeconfig => self.admin_kubeconfig(),
        };
        self.say(&response)
    }

    fn apply(&mut self, plan: NodePlan) -> Response {
        if !rustix::process::geteuid().is_root() {
            return refusal(
                "not-root",
                "the agent was not started as root and a plan needs root".to_owned(),
                "log in as root, or allow `sudo -n` for /usr/local/lib/bedplate/*/bedplate-agent in /etc/sudoers.d/bedplate",
            );
        }
        let accepted = Response::Accepted { run: plan.run.clone() };
        if let Err(error) = ArtifactStore::new(self.layout.artifacts()).settle(&apply::boot_id(&self.layout)) {
            return done(Err(error.to_string()), "artifact-not-stored");
        }
        match self.begin(plan) {
            Ok(findings) if findings.is_empty() => accepted,
            Ok(findings) => Response::Refused { findings },
            Err(error) => failure(&error),
        }
    }

    /// Admits the plan and starts it; answers what speaks against it.
    fn begin(&mut self, plan: NodePlan) -> Result<Vec<Finding>, ApplyError> {
        let findings = apply::admit(&plan, &self.layout)?;
        if !findings.is_empty() {
            return Ok(findings);
        }
        if plan.mode == Mode::Inspect {
            self.own_runtime()?;
            apply::keep_plan(&plan, &self.layout)?;
            let layout = self.layout.clone();
            let run = plan.run.clone();
            let looking = thread::spawn(move || {
                if let Err(error) = apply::execute(&layout, &plan) {
                    // The follower sees a run without a terminal event and says so.
                    tracing::error!(run = plan.run.as_str(), "{error}");
                }
            });
            self.looking.insert(run, looking);
            return Ok(findings);
        }
        // Before anything is stored: a plan that no unit can carry out is refused like any other.
        apply::own_file()?;
        self.own_state()?;
        apply::keep_plan(&plan, &self.layout)?;
        apply::prune(&self.layout, &plan.run)?;
        apply::start(&self.layout, &plan.run)?;
        Ok(findings)
    }

    fn own_state(&self) -> Result<(), ApplyError> {
        let dir = self.layout.state();
        crate::durable::directory(&dir, 0o700).map_err(|source| ApplyError::Io {
            path: dir,
            action: "created",
            source,
        })
    }

    fn own_runtime(&self) -> Result<(), ApplyError> {
        let dir = self.layout.runtime();
        crate::durable::directory(&dir, 0o700).map_err(|source| ApplyError::Io {
            path: dir,
            action: "created",
            source,
        })
    }

    fn admin_kubeconfig(&self) -> Response {
        let path = self.layout.at("/etc/kubernetes/admin.conf");
        match fs::read_to_string(&path) {
            Ok(text) => Response::Kubeconfig {
                kubeconfig: SecretString::new(text),
            },
            Err(error) => refusal(
                "no-kubeconfig",
                format!("{} cannot be read: {error}", path.display()),
                "ask a control-plane host, after `kubeadm init phase kubeconfig all`",
            ),
        }
    }
}

fn done(result: Result<(), String>, code: &str) -> Response {
    match result {
        Ok(()) => Response::Stored,
        Err(message) => refusal(
            code,
            message,
            "look at `df /var/lib/bedplate /run`, then run the command again",
        ),
    }
}

fn failure(error: &ApplyError) -> Response {
    refusal(
        "apply",
        error.to_string(),
        "do what the message says, then run `bedplate up` again",
    )
}

/// The name by which a finding of the agent about itself calls the host; the installer knows the node's own.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn error(code: &str, message: String, remedy: &str) -> Finding {
    Finding::new(Severity::Error, code, host(), message, remedy)
}
