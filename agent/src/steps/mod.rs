//! The steps of a node plan, one file each: `inspect` says whether it holds, `change` makes it so.
//!
//! Only the executor calls them, always as `inspect → change → inspect`. A step reads the machine, never the journal, and
//! never undoes what it finds in a way that loses somebody's work: such a host is a failure with a cure.

mod context;
mod directory;
mod file;
mod image;
mod kernel_module;
mod kubeadm_init_phase;
mod kubeadm_join;
mod kubelet_healthy;
mod kubernetes_api;
mod program;
mod service_account_token;
mod swap_off;
mod symlink;
mod sysctl;
mod unit;

pub(crate) use context::Context;

use crate::command::CommandError;
use crate::store::StoreError;
use bedplate_protocol::{Finding, Severity, StepKind};
use std::io;
use std::path::{Path, PathBuf};

/// What `inspect` saw.
#[derive(Debug)]
pub(crate) enum State {
    /// It holds; there is nothing to do.
    Holds,
    /// It does not.
    Differs {
        /// For people: what is there.
        before: String,
        /// For people: what is and what should be; never a value.
        diff: String,
    },
    /// Cannot be told without changing something; an answer in inspect mode only.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl State {
    fn differs(before: impl Into<String>, wanted: impl std::fmt::Display) -> Self {
        let before = before.into();
        Self::Differs {
            diff: format!("is: {before}; should be: {wanted}"),
            before,
        }
    }
}

/// A step that could not be inspected or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// A file operation failed.
    #[error("{path} cannot be {action}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program of the host failed.
    #[error("{source}")]
    Command {
        /// What happened.
        source: CommandError,
        /// What to look at or do.
        cure: String,
    },
    /// Something did not come about in its time.
    #[error("waited {seconds} s for {what}: {last}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What was seen last.
        last: String,
        /// What to look at or do.
        cure: String,
    },
    /// The plan names a value that is not on the host.
    #[error("the value {name:?} is not on this host; values are kept in memory only and a reboot loses them")]
    Value {
        /// Its name.
        name: String,
    },
    /// An artifact could not be read.
    #[error(transparent)]
    Artifact(#[from] StoreError),
    /// The host is in a state that the agent must not change.
    #[error("{message}")]
    Stands {
        /// The finding's code.
        code: &'static str,
        /// What was found.
        message: String,
        /// What to do.
        cure: String,
    },
}

impl StepError {
    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }

    fn command(cure: impl Into<String>) -> impl FnOnce(CommandError) -> Self {
        let cure = cure.into();
        move |source| Self::Command { source, cure }
    }

    /// The finding that a person reads.
    pub(crate) fn finding(&self, subject: &str) -> Finding {
        let (code, cure) = match self {
            Self::Io { path, .. } => (
                "step-file",
                format!(
                    "look at `ls -ld {0}` and `df {0}`, then run `bedplate up` again",
                    path.display()
                ),
            ),
            Self::Command { cure, .. } => ("step-command", cure.clone()),
            Self::Timeout { cure, .. } => ("step-timeout", cure.clone()),
            Self::Value { .. } => (
                "step-value",
                "run `bedplate up` again; it sends the values anew".to_owned(),
            ),
            Self::Artifact(_) => (
                "step-artifact",
                "run `bedplate up` again; it sends missing artifacts anew".to_owned(),
            ),
            Self::Stands { code, cure, .. } => (*code, cure.clone()),
        };
        let mut finding = Finding::new(Severity::Error, code, subject, self.to_string(), cure);
        if let Self::Command { source, .. } = self {
            finding.evidence = source.tail().to_vec();
        }
        finding
    }
}

/// Why this agent cannot carry out a step of a kind that it knows, if so; asked for all steps before the first.
pub(crate) fn unsupported(spec: &StepKind) -> Option<String> {
    match spec {
        StepKind::KubeadmInitPhase { phase, .. } => kubeadm_init_phase::unsupported(phase),
        _ => None,
    }
}

/// Looks; changes nothing.
pub(crate) fn inspect(spec: &StepKind, context: &Context<'_>) -> Result<State, StepError> {
    match spec {
        StepKind::Directory { path, mode } => directory::inspect(path, *mode, context),
        StepKind::File { path, mode, content } => file::inspect(path, *mode, content, context),
        StepKind::Program {
            path, mode, content, ..
        } => program::inspect(path, *mode, content, context),
        StepKind::Symlink { path, target, ours } => symlink::inspect(path, target, ours, context),
        StepKind::Image {
            reference,
            config_digest,
            ..
        } => image::inspect(reference, config_digest),
        StepKind::KernelModule { name } => kernel_module::inspect(name, context),
        StepKind::Sysctl { key, value } => sysctl::inspect(key, value, context),
        StepKind::SwapOff => swap_off::inspect(context),
        StepKind::Unit {
            name,
            content,
            restart_on,
            active,
        } => unit::Unit {
            name,
            content,
            restart_on,
            active: *active,
        }
        .inspect(context),
        StepKind::KubeadmInitPhase { phase, .. } => kubeadm_init_phase::inspect(phase, context),
        StepKind::KubeadmJoin { server, .. } => kubeadm_join::inspect(server, context),
        StepKind::KubeletHealthy => Ok(kubelet_healthy::inspect()),
        StepKind::ServiceAccountToken {
            path, renewed, claims, ..
        } => service_account_token::inspect(path, renewed, claims, context),
    }
}

/// Makes it hold, or says why not. Called after an `inspect` that said it does not.
pub(crate) fn change(spec: &StepKind, context: &Context<'_>) -> Result<(), StepError> {
    match spec {
        StepKind::Directory { path, mode } => directory::change(path, *mode, context),
        StepKind::File { path, mode, content } => file::change(path, *mode, content, context),
        StepKind::Program {
            path,
            mode,
            artifact,
            content,
        } => program::change(path, *mode, artifact, content, context),
        StepKind::Symlink { path, target, .. } => symlink::change(path, target, context),
        StepKind::Image { artifact, .. } => image::change(artifact, context),
        StepKind::KernelModule { name } => kernel_module::change(name, context),
        StepKind::Sysctl { key, value } => sysctl::change(key, value, context),
        StepKind::SwapOff => swap_off::change(context),
        StepKind::Unit {
            name,
            content,
            restart_on,
            active,
        } => unit::Unit {
            name,
            content,
            restart_on,
            active: *active,
        }
        .change(context),
        StepKind::KubeadmInitPhase { phase, config } => kubeadm_init_phase::change(phase, config, context),
        StepKind::KubeadmJoin { config, server } => kubeadm_join::change(config, server, context),
        StepKind::KubeletHealthy => kubelet_healthy::change(context),
        StepKind::ServiceAccountToken {
            path, renewed, token, ..
        } => service_account_token::change(path, renewed, token, context),
    }
}
