//! Starts an outside program and says, when it fails, what it was for and what it said.

use std::process::{Command, Stdio};

/// A program that could not be started or has failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("`{program}` could not be started to {purpose}; install it as `bedplate rehearse` says, then run again")]
    Start {
        /// Which program.
        program: String,
        /// What for.
        purpose: String,
        /// Why.
        source: std::io::Error,
    },
    /// It has failed.
    #[error("`{program}` could not {purpose} ({status}): {said}")]
    Failed {
        /// Which program.
        program: String,
        /// What for.
        purpose: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it printed.
        said: String,
    },
}

/// Runs to the end and gives what was printed on stdout. `purpose` completes the sentence "could not …".
pub(super) fn run(purpose: &str, program: &str, arguments: &[&str]) -> Result<String, CommandError> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CommandError::Start {
            program: program.to_owned(),
            purpose: purpose.to_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = said.lines().rev().take(5).collect();
    Err(CommandError::Failed {
        program: program.to_owned(),
        purpose: purpose.to_owned(),
        status: output.status,
        said: tail.into_iter().rev().collect::<Vec<_>>().join(" | "),
    })
}
