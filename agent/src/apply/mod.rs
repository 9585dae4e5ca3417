//! Carries out node plans: admission of a plan, its systemd unit, the executor, and where everything of a run lies.
//!
//! The session admits a plan and starts it; the executor (`bedplate-agent apply --run`) carries it out in a process of its
//! own. They share nothing but the files that [`Layout`] names.

mod admission;
mod executor;
mod layout;
#[cfg(test)]
mod tests;
mod unit;

pub(crate) use admission::{active_run, admit, keep_plan, prune};
pub(crate) use executor::{Ended, execute, execute_stored, request_cancel};
pub(crate) use layout::{Layout, boot_id};
pub(crate) use unit::{UnitState, own_file, start, unit_state};

use crate::command::CommandError;
use crate::journal::JournalError;
use crate::values::ValuesError;
use std::io;
use std::path::PathBuf;

/// A run that cannot be prepared or gone on with. A step that fails is no such error: it is in the journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
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
    /// The stored plan is not one.
    #[error("{path} is no plan of this agent: {source}; run `bedplate up` again")]
    Plan {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Another executor works on this host and does not end.
    #[error("another run is being carried out on this host; see `systemctl list-units 'bedplate-apply@*'`")]
    Busy,
    /// The agent was started from a place that does not outlive the connection.
    #[error(
        "this agent's own file {path} is not there any more, so no unit can start it; install it at its content address first"
    )]
    NotInstalled {
        /// Where it was.
        path: PathBuf,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The values.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// systemd.
    #[error("{0}; look at `systemctl status 'bedplate-apply@*'`")]
    Systemd(#[from] CommandError),
}

impl ApplyError {
    fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }

    /// What to do about it.
    pub(crate) fn cure(&self) -> String {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "this host has no such run, or it has been tidied away: `ls /var/lib/bedplate/runs` has those that there are".to_owned()
            }
            Self::Io { path, .. } => format!("run this as root, or look at `ls -ld {0}` and `df {0}`", path.display()),
            _ => "run `bedplate up` again, which hands the plan over anew".to_owned(),
        }
    }
}
