//! Starts an outside program and says, when it fails, what it was for and what it said.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a wait is told.
const TOLD_EVERY: Duration = Duration::from_secs(30);
/// What a program gets to clean up after SIGTERM.
const CLEAN_UP: Duration = Duration::from_secs(30);

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
    /// It did not end in time, and was ended.
    #[error("`{program}` could not {purpose} within {seconds} s and was ended: {said}")]
    TooLong {
        /// Which program.
        program: String,
        /// What for.
        purpose: String,
        /// How long was waited.
        seconds: u64,
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
    Err(CommandError::Failed {
        program: program.to_owned(),
        purpose: purpose.to_owned(),
        status: output.status,
        said: end(&output.stderr),
    })
}

fn end(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let tail: Vec<&str> = said.lines().rev().take(5).collect();
    tail.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Runs to the end, but no longer than `within`; then it gets SIGTERM, and SIGKILL when that does not help. `progress` hears
/// every half minute what is waited for. What it prints on stdout is dropped.
pub(super) fn run_within(
    purpose: &str,
    program: &str,
    arguments: &[&str],
    within: Duration,
    progress: &mut dyn FnMut(&str),
) -> Result<(), CommandError> {
    let start = |source| CommandError::Start {
        program: program.to_owned(),
        purpose: purpose.to_owned(),
        source,
    };
    let mut words = tempfile::tempfile().map_err(start)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(words.try_clone().map_err(start)?)
        .spawn()
        .map_err(start)?;
    let ended = wait(&mut child, within, |since| {
        progress(&format!("waits for {program} to {purpose} since {} s", since.as_secs()));
    });
    let ended = match ended.map_err(start)? {
        Some(status) if status.success() => return Ok(()),
        ended => ended,
    };
    if ended.is_none() {
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if wait(&mut child, CLEAN_UP, |_| {}).map_err(start)?.is_none() {
            child.kill().and_then(|()| child.wait()).map_err(start)?;
        }
    }
    let mut said = Vec::new();
    let _ = words.rewind().and_then(|()| words.read_to_end(&mut said));
    let (program, purpose, said) = (program.to_owned(), purpose.to_owned(), end(&said));
    Err(match ended {
        Some(status) => CommandError::Failed {
            program,
            purpose,
            status,
            said,
        },
        None => CommandError::TooLong {
            program,
            purpose,
            seconds: within.as_secs(),
            said,
        },
    })
}

/// Waits for a child; none if it still runs after `within`.
fn wait(child: &mut Child, within: Duration, mut tell: impl FnMut(Duration)) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    let mut told = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let since = begun.elapsed();
        if since > within {
            return Ok(None);
        }
        if since > told + TOLD_EVERY {
            told = since;
            tell(since);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_ended_and_its_last_words_are_told() {
        let arguments = ["-c", "echo begun >&2; exec sleep 600"];
        let ran = run_within("sleep", "sh", &arguments, Duration::from_millis(300), &mut |_| {});
        let error = ran.unwrap_err().to_string();
        assert!(error.contains("within 0 s") && error.contains("begun"), "{error}");
    }

    #[test]
    fn a_program_that_fails_is_told_with_its_last_words() {
        let arguments = ["-c", "echo no space >&2; exit 3"];
        let error = run_within("write", "sh", &arguments, TOLD_EVERY, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("no space"), "{error}");
        run_within("agree", "true", &[], TOLD_EVERY, &mut |_| {}).unwrap();
    }
}
