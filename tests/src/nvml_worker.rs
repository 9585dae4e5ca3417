//! The agent's NVML worker on a simulated library, without the agent around it. Called by `tests/nvml_worker.rs` and
//! `tests/nvml_ends.rs`.

use crate::built::program;
use bedplate_protocol::facts::GpuFacts;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const DRIVER: &str = "580.95.05";
const SOON: Duration = Duration::from_mins(1);

/// One GPU that has nothing.
pub const HEALTHY: &str = "gpus:\n- {profile: h100-80gb-hbm3, pci_address: '0000:18:00.0', minor: 0}\n";

/// A folder with the library and its scenario.
pub struct Nvml(tempfile::TempDir);

impl Nvml {
    /// A library that answers from this scenario, which is without its versions.
    pub fn new(scenario: &str) -> Self {
        let nvml = Self(tempfile::tempdir().expect("a folder can be made"));
        nvml.set(scenario);
        std::fs::copy(program("libnvidia_ml.so"), nvml.library()).expect("the library can be copied");
        nvml
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The library's file.
    pub fn library(&self) -> PathBuf {
        self.0.path().join(format!("libnvidia-ml.so.{DRIVER}"))
    }

    /// Another scenario, in one step: the library reads it at each call.
    pub fn set(&self, scenario: &str) {
        let path = self.0.path().join(format!("libnvidia-ml-scenario.so.{DRIVER}"));
        let text = format!("driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\n{scenario}");
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("the scenario can be written");
        std::fs::rename(new, path).expect("the scenario can be replaced");
    }

    /// An older library, that does not export these: their names in the file are changed, so that no lookup finds them.
    pub fn without(&self, symbols: &[&str]) {
        let mut bytes = std::fs::read(self.library()).expect("the library can be read");
        for symbol in symbols {
            let name = format!("\0{symbol}\0").into_bytes();
            let mut found = 0;
            for place in 0..bytes.len() - name.len() {
                if bytes[place..].starts_with(&name) {
                    bytes[place + 1] = b'x';
                    found += 1;
                }
            }
            assert!(found > 0, "the library has no {symbol}");
        }
        std::fs::write(self.library(), bytes).expect("the library can be written");
    }
}

/// A running worker.
pub struct Worker {
    /// Its process.
    pub child: Child,
    socket: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Worker {
    /// The agent as a worker.
    pub fn start(nvml: &Nvml) -> Self {
        Self::of(Command::new(program("bedplate-agent")), nvml)
    }

    /// The same by another command before it.
    pub fn of(mut command: Command, nvml: &Nvml) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("sockets can be made");
        socket.set_read_timeout(Some(SOON)).expect("a socket has a timeout");
        let page = File::create(nvml.0.path().join("page")).expect("a file can be made");
        let child = command
            .args(["nvml-worker", "--library"])
            .arg(nvml.library())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(page)
            .spawn()
            .expect("the agent starts");
        let lines = BufReader::new(socket.try_clone().expect("a socket can be shared"));
        Self { child, socket, lines }
    }

    /// Asks for something and waits for nothing.
    pub fn ask(&mut self, request: &Value) {
        writeln!(self.socket, "{request}").expect("the worker reads");
    }

    /// The next line.
    pub fn line(&mut self) -> Value {
        let mut text = String::new();
        self.lines.read_line(&mut text).expect("the worker answers in time");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    /// A pass that watches events, without those that come in between.
    pub fn pass(&mut self) -> Vec<GpuFacts> {
        self.ask(&json!({"request": "pass", "asleep": [], "awake": [], "watch": true}));
        self.answers()
    }

    /// The GPUs of the pass that was asked for.
    pub fn answers(&mut self) -> Vec<GpuFacts> {
        let mut gpus = Vec::new();
        loop {
            let mut line = self.line();
            if line == "done" {
                return gpus;
            }
            if let Some(gpu) = line.get_mut("gpu") {
                gpus.push(serde_json::from_value(gpu.take()).expect("a GPU's facts"));
                continue;
            }
            let other = line.get("system").or_else(|| line.get("event"));
            assert!(other.is_some(), "{line}");
        }
    }

    /// Closes the socket; whether the worker ends well by itself.
    pub fn ends(mut self) -> bool {
        self.close();
        self.ended().is_some_and(|status| status.success())
    }

    /// Closes the socket.
    pub fn close(&self) {
        self.socket
            .shutdown(std::net::Shutdown::Both)
            .expect("the socket is open");
    }

    /// How it has ended, as soon as it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let expiry = Instant::now() + SOON;
        while Instant::now() < expiry {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Waits until the page names this call.
    pub fn is_in(&self, nvml: &Nvml, call: &str) {
        let expiry = Instant::now() + SOON;
        while !named(nvml, call) {
            assert!(Instant::now() < expiry, "{call} is not announced");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether the page names this call now.
pub fn named(nvml: &Nvml, call: &str) -> bool {
    let page = std::fs::read(nvml.folder().join("page")).expect("the page is there");
    String::from_utf8_lossy(&page).contains(call)
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A failed test leaves no worker behind; one that has ended is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
