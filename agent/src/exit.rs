//! The agent's exit codes, all of them, in one place.
//!
//! Called by `main` and by every verb. 0, 1 and 2 are the codes that node-problem-detector gives a plugin
//! (`OK`, `NonOK`, `Unknown`; kubernetes/node-problem-detector at 146a394f, `pkg/custompluginmonitor/types/types.go`), so that
//! `check` is such a plugin unchanged; everything that is no answer about the node lies outside them.

use bedplate_protocol::Health;
use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// 0: done; for `check`, every GPU was read and nothing is wrong.
    Success = 0,
    /// 1: for `check`, something is wrong; for `apply` and `session`, the work failed and a finding says why.
    Problem = 1,
    /// 2: only for `check`, something could not be read, so nothing is proven.
    Unknown = 2,
    /// 64: the command line is wrong (`EX_USAGE` of sysexits.h; clap's own 2 would read as "unknown").
    Usage = 64,
    /// 78: for `run`, the configuration is wrong, which another start does not cure (`EX_CONFIG`).
    Config = 78,
    /// 74: the answer could not be written to standard output (`EX_IOERR`).
    Output = 74,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Health> for Exit {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy => Self::Success,
            Health::Problem => Self::Problem,
            Health::Unknown => Self::Unknown,
        }
    }
}
