//! What the agent is measured beside: the bare NVML calls of a pass, and Debian's `prometheus-node-exporter`. Called by
//! [`crate::steady`].

use crate::machine::{Machine, free_address, get, until};
use crate::process::Process;
use bedplate_tests::built::program;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A process that makes the calls of a pass when it is told to.
pub(crate) struct Bare {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Bare {
    /// Makes the first pass, which does more than those after it, as the agent's does.
    pub(crate) fn start(machine: &Machine) -> Result<Self, String> {
        let mut child = Command::new(program("examples/bare-pass"))
            .arg(machine.another_library()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("bare-pass: {error}"))?;
        let answers = child.stdout.take().ok_or("bare-pass has no standard output")?;
        let mut bare = Self {
            child,
            answers: BufReader::new(answers),
        };
        bare.pass()?;
        Ok(bare)
    }

    /// One pass: how long it took, and its number of calls.
    pub(crate) fn pass(&mut self) -> Result<(Duration, u64), String> {
        let requests = self.child.stdin.as_mut().ok_or("bare-pass has no standard input")?;
        requests
            .write_all(b"\n")
            .map_err(|error| format!("bare-pass: {error}"))?;
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(|error| format!("bare-pass: {error}"))?;
        let mut words = line.split_whitespace().map(str::parse);
        match (words.next(), words.next()) {
            (Some(Ok(micros)), Some(Ok(calls))) => Ok((Duration::from_micros(micros), calls)),
            _ => Err("bare-pass has ended; its last words are above".to_owned()),
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `prometheus-node-exporter` with the collectors that it has without being told.
pub(crate) struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Exporter {
    pub(crate) fn start(file: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let child = Command::new(file)
            .args([&format!("--web.listen-address={address}"), "--log.level=error"])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let exporter = Self { child, address };
        until("prometheus-node-exporter answers", || exporter.scrape().is_ok())?;
        Ok(exporter)
    }

    pub(crate) fn scrape(&self) -> Result<String, String> {
        get(self.address, "/metrics")
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
