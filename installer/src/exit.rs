//! The exit codes of `bedplate`, in one place. Scripts may rely on them; the README lists them.

use std::process::ExitCode;

/// What every verb's own help says after its part.
macro_rules! codes {
    ($own:literal) => {
        concat!(
            "Exit codes: ",
            $own,
            ", 64 wrong command line, 65 wrong config, kubeconfig, artifact or key file (nothing was begun), 74 the answer could \
not be written, 130 interrupted by Ctrl-C or SIGTERM"
        )
    };
}

/// For `bedplate --help`.
pub const CODES: &str = codes!(
    "0 everything holds, 1 something does not, 3 the cluster stands but a host was left out or a gate is unproven, or (status) \
something is unknown"
);
/// For `up` and `rehearse`.
pub const OF_UP: &str = codes!(
    "0 everything holds, 1 something does not, 3 the cluster stands but a host was left out or a gate is unproven"
);
/// For `preflight`.
pub const OF_PREFLIGHT: &str = codes!("0 every host is fit, 1 none is, 3 some were left out");
/// For `status`.
pub const OF_STATUS: &str = codes!("0 healthy, 1 problem, 3 unknown: a silent agent, an API that does not answer");

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for holds.
    Done,
    /// Something that was asked for does not hold; the findings say what.
    Failed,
    /// The cluster stands, and at least one host was left out or one gate is unproven; for `status`, something is unknown. The
    /// findings say what.
    Incomplete,
    /// The command line is wrong (sysexits' `EX_USAGE`).
    Usage,
    /// The config, an artifact or a key file is wrong; nothing was begun (sysexits' `EX_DATAERR`).
    BadInput,
    /// What was to be said could not be written (sysexits' `EX_IOERR`).
    Output,
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
            Exit::Output => 74,
            Exit::Interrupted => 130,
        })
    }
}
