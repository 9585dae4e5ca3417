//! `bedplate-agent session`: answers an installer's requests on standard input and output, one after the other.
//!
//! The installer starts it over SSH, as root or by `sudo -n`. It never prints anything but frames on standard output, and
//! carries out no change itself: a plan that may change the host is handed to systemd.

use crate::session::{Session, SessionError};
use std::io;
use std::process::ExitCode;

/// It takes no arguments: everything is in the requests.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// 0 when the installer closed the conversation between two requests, 1 when it broke.
pub(crate) fn run(_: Args) -> ExitCode {
    let mut session = Session::new(io::stdin().lock(), io::stdout().lock());
    match session.serve() {
        Ok(()) => ExitCode::SUCCESS,
        // The installer went away; nobody is left to tell.
        Err(SessionError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            crate::exit::Exit::Problem.into()
        }
    }
}
