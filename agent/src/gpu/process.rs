//! A worker's process: its socket, its page, its end. Called by [`super::parent`] only; it knows nothing of passes.

use super::event::Event;
use super::progress::{Owner, Page, UnderWay};
use super::wire::{Line, Request};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// How long a worker may take to end by itself once nobody asks it any more, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);
/// For handing over a request: a worker that does not read is not working.
const HAND_OVER: Duration = Duration::from_secs(1);
/// A GPU's line has a few kilobytes; what is longer is cut, and its pieces are no lines.
const LONGEST: u64 = 1 << 20;
const POLL: Duration = Duration::from_millis(10);

/// A running worker.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    page: Page,
    lines: mpsc::Receiver<Line>,
}

impl Process {
    /// Starts it with a socket as standard input and the page as standard output. Events go where they are heard; when
    /// nobody takes them they are dropped, never kept without bound. It has a process group of its own: whoever ends ours with
    /// SIGKILL, as node-problem-detector does with a plugin that takes too long (`pkg/util/exec_unix.go`, read 2026-11-21), does
    /// not end it inside a call.
    pub(super) fn start(command: &mut Command, page: Page, events: SyncSender<Event>) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_write_timeout(Some(HAND_OVER))?;
        let reader = socket.try_clone()?;
        let (sender, lines) = mpsc::channel();
        let child = command
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(page.for_child()?)
            .stderr(Stdio::null())
            .spawn()?;
        let process = Self {
            child,
            socket,
            page,
            lines,
        };
        // Reads all the time, so that a silent worker cannot hold up a caller, nor a caller the worker.
        std::thread::Builder::new()
            .name("nvml-lines".into())
            .spawn(move || follow(reader, &sender, &events))?;
        Ok(process)
    }

    /// Hands over a request, each call of which may take so long. An error means that the worker has gone.
    pub(super) fn ask(&mut self, request: &Request, deadline: Duration) -> io::Result<()> {
        self.page.own(Owner {
            pid: self.child.id(),
            deadline_seconds: u32::try_from(deadline.as_secs()).unwrap_or(u32::MAX),
        });
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.socket.write_all(&line)
    }

    /// The next line.
    pub(super) fn next(&self, within: Duration) -> Result<Line, RecvTimeoutError> {
        self.lines.recv_timeout(within)
    }

    /// The call that it is in.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        self.page.under_way()
    }

    /// Whether it is gone, and how it ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How it ended, if it does so soon by itself.
    pub(super) fn wait(&mut self) -> Option<ExitStatus> {
        let expiry = Instant::now() + GRACE;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() >= expiry {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks it nothing more, which ends it after the call that it is in. What it says until then is heard: its end is one of its
    /// lines.
    pub(super) fn close(&self) {
        // A failure means that the other side is closed already.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Closes the socket, then SIGTERM: the worker takes either to mean that it ends after the call that it is in. Never SIGKILL:
    /// a process that neither ends is inside the kernel, where SIGKILL does not reach it either, and one that is killed inside a
    /// call can leave a GPU stuck (github.com/NVIDIA/dcgm-exporter issue 84, read 2026-11-21). Whether it is gone.
    pub(super) fn end(&mut self) -> bool {
        self.close();
        if self.wait().is_some() {
            return true;
        }
        // A failure means that it has just ended; `wait` finds out.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.wait().is_some()
    }
}

/// Until the worker closes its end or nobody listens any more. A line that is none ends nothing.
fn follow(socket: UnixStream, lines: &mpsc::Sender<Line>, events: &SyncSender<Event>) {
    let mut reader = BufReader::new(socket);
    let mut text = Vec::new();
    loop {
        text.clear();
        match (&mut reader).take(LONGEST).read_until(b'\n', &mut text) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        match serde_json::from_slice(&text) {
            Ok(Line::Event(event)) => {
                // A full queue means that nobody hears; the kernel's log has the XID too.
                let _ = events.try_send(event);
            }
            Ok(line) => {
                if lines.send(line).is_err() {
                    return;
                }
            }
            Err(_) => {}
        }
    }
}
