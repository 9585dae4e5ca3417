//! Runs a program of the host: with a deadline, without a shell, its output kept for evidence.
//!
//! Called by the steps and by whoever talks to systemd. A secret is never an argument. Standard input is empty or a stream
//! that the caller names; the environment is the agent's with a fixed `PATH` and the C locale, so that what is parsed does
//! not depend on who logged in.

use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Where the programs of a node lie; an SSH session's own `PATH` often lacks the sbin directories.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a program has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How many last lines of output become evidence.
const EVIDENCE_LINES: usize = 12;
const POLL: Duration = Duration::from_millis(5);

/// A program that did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// It could not be started.
    #[error("`{line}` could not be started: {source}")]
    Spawn {
        /// As typed.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// It was stopped because its time was over.
    #[error("`{line}` was stopped after {seconds} s")]
    Deadline {
        /// As typed.
        line: String,
        /// How long it had.
        seconds: u64,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// It ended with another status than 0.
    #[error("`{line}` failed: {status}")]
    Status {
        /// As typed.
        line: String,
        /// Exit status or signal.
        status: ExitStatus,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// What it was to read could not be read.
    #[error("the input of `{line}` could not be read: {source}")]
    Input {
        /// As typed.
        line: String,
        /// Why.
        source: io::Error,
    },
}

impl CommandError {
    /// The last lines that the program printed.
    pub(crate) fn tail(&self) -> &[String] {
        match self {
            Self::Deadline { tail, .. } | Self::Status { tail, .. } => tail,
            Self::Spawn { .. } | Self::Input { .. } => &[],
        }
    }
}

/// What a program printed and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Standard output; bytes that are no UTF-8 are replaced.
    pub(crate) stdout: String,
    /// Standard error, likewise.
    pub(crate) stderr: String,
}

/// One program with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    program: OsString,
    args: Vec<OsString>,
    deadline: Duration,
}

impl Command {
    /// `program` is a name in the fixed `PATH` or an absolute path. 30 s unless [`Command::deadline`] says other.
    pub(crate) fn new<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Self {
            program: program.into(),
            args,
            deadline: Duration::from_secs(30),
        }
    }

    /// How long it may take.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it; any exit status is an answer.
    pub(crate) fn output(&self) -> Result<Output, CommandError> {
        self.start(None)
    }

    /// Runs it; an exit status other than 0 is an error.
    pub(crate) fn run(&self) -> Result<Output, CommandError> {
        self.checked(None)
    }

    /// Runs it with this on its standard input; an exit status other than 0 is an error.
    pub(crate) fn run_reading(&self, input: &mut (dyn Read + Send)) -> Result<Output, CommandError> {
        self.checked(Some(input))
    }

    fn checked(&self, input: Option<&mut (dyn Read + Send)>) -> Result<Output, CommandError> {
        let output = self.start(input)?;
        if output.status.success() {
            return Ok(output);
        }
        Err(CommandError::Status {
            line: self.line(),
            status: output.status,
            tail: tail(&output.stdout, &output.stderr),
        })
    }

    fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    fn start(&self, input: Option<&mut (dyn Read + Send)>) -> Result<Output, CommandError> {
        let spawned = std::process::Command::new(&self.program)
            .args(&self.args)
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group, so that a deadline reaches what it has started too.
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|source| CommandError::Spawn {
            line: self.line(),
            source,
        })?;
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let stdin = child.stdin.take();
        let (ended, fed) = thread::scope(|scope| {
            let feeder = match (input, stdin) {
                (Some(input), Some(mut pipe)) => Some(scope.spawn(move || feed(input, &mut pipe))),
                _ => None,
            };
            let ended = wait(&mut child, self.deadline);
            (ended, feeder.and_then(|feeder| feeder.join().ok()))
        });
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        if let Some(Err(source)) = fed {
            return Err(CommandError::Input {
                line: self.line(),
                source,
            });
        }
        match ended {
            Ok(Some(status)) => Ok(Output { status, stdout, stderr }),
            Ok(None) => Err(CommandError::Deadline {
                line: self.line(),
                seconds: self.deadline.as_secs(),
                tail: tail(&stdout, &stderr),
            }),
            Err(source) => Err(CommandError::Spawn {
                line: self.line(),
                source,
            }),
        }
    }
}

/// Copies to the child. That the child stops reading is the child's own matter: its status tells.
fn feed(input: &mut (dyn Read + Send), pipe: &mut dyn io::Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 || pipe.write_all(&buffer[..count]).is_err() {
            return Ok(());
        }
    }
}

/// `None` when the deadline came first; the child is gone in any case.
fn wait(child: &mut Child, deadline: Duration) -> io::Result<Option<ExitStatus>> {
    if let Some(status) = wait_until(child, Instant::now() + deadline)? {
        return Ok(Some(status));
    }
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // ESRCH means that it has just ended, which the next wait sees.
            let _ = kill_process_group(group, signal);
        }
        if wait_until(child, Instant::now() + GRACE)?.is_some() {
            break;
        }
    }
    Ok(None)
}

fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What could be read is evidence even when the end could not.
            let _ = pipe.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
    }
    receiver
}

/// A process that left the group may hold the pipe for ever; what the program itself printed arrives at once.
fn text(pipe: &mpsc::Receiver<Vec<u8>>) -> String {
    let bytes = pipe.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
    // Programs colour what they print for a terminal; a finding is read in logs and JSON.
    anstream::adapter::strip_str(&String::from_utf8_lossy(&bytes)).to_string()
}

fn tail(stdout: &str, stderr: &str) -> Vec<String> {
    let lines: Vec<&str> = stdout
        .lines()
        .chain(stderr.lines())
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(EVIDENCE_LINES)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_stopped_and_its_last_lines_are_kept() {
        let begun = Instant::now();
        let command = Command::new("sh", ["-c", "echo seen; exec sleep 600"]).deadline(Duration::from_millis(300));
        let error = command.run().unwrap_err();
        assert!(matches!(error, CommandError::Deadline { .. }), "{error}");
        assert_eq!(error.tail(), ["seen"]);
        assert!(begun.elapsed() < Duration::from_mins(1));
    }

    #[test]
    fn a_failing_program_names_its_line_and_status() {
        let error = Command::new("sh", ["-c", "echo why >&2; exit 3"]).run().unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        assert_eq!(error.tail(), ["why"]);
    }

    #[test]
    fn a_stream_reaches_the_program_and_a_program_that_does_not_read_it_still_ends() {
        let mut input = io::repeat(b'x').take(1 << 20);
        let output = Command::new("wc", ["-c"]).run_reading(&mut input).unwrap();
        assert_eq!(output.stdout.trim(), "1048576");
        let mut input = io::repeat(b'x').take(1 << 20);
        Command::new("true", [""; 0]).run_reading(&mut input).unwrap();
    }
}
