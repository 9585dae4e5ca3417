//! The exit codes of `bedplate`, in one place. Scripts may rely on them; the README lists them.

use std::process::ExitCode;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for holds.
    Done,
    /// Something that was asked for does not hold; the findings say what.
    Failed,
    /// The cluster stands, and at least one host was left out or one gate is unproven; the findings say which.
    Incomplete,
    /// The command line is wrong (sysexits' `EX_USAGE`).
    Usage,
    /// The config, an artifact or a key file is wrong; nothing was begun (sysexits' `EX_DATAERR`).
    BadInput,
    /// Stopped by Ctrl-C or SIGTERM; `up` again goes on from there.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Incomplete => 3,
            Exit::Usage => 64,
            Exit::BadInput => 65,
            Exit::Interrupted => 130,
        })
    }
}
