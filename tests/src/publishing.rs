//! An agent that publishes to an API server of a test's own: a folder with everything that it needs, the simulated GPU that it
//! reads, and what it is seen to say. Called by `tests/agent_publish.rs`, `tests/agent_token.rs`, `tests/agent_away.rs` and
//! `tests/agent_flood.rs`.

use crate::api_server::{ApiServer, write_secret};
use crate::built::{program, run};
use serde_json::Value;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DRIVER: &str = "580.95.05";
/// The GPU's UUID.
pub const UUID: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001";
/// The GPU's place.
pub const ADDRESS: &str = "0000:18:00.0";
/// The condition of a lost GPU.
pub const HARDWARE: &str = "GPUHardwareProblem";
/// Slower than anything here is beside other work on two cores.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A folder with everything that an agent of the node `one` needs.
pub struct Place {
    folder: tempfile::TempDir,
    address: String,
}

/// Disk and memory are those of the machine that the tests run on.
const MACHINES: &str = "\
    - {code: node-*, mode: monitor, owner: a test, reason: the machine's, expires: 2099-01-01T00:00:00Z}\n\
    - {code: memory-pressure, mode: monitor, owner: a test, reason: the machine's, expires: 2099-01-01T00:00:00Z}\n";

impl Place {
    /// With this token, `kubernetes` added to that part of the configuration and `more` to the whole.
    pub fn new(server: &ApiServer, token: &str, kubernetes: &str, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let place = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
            address: port.expect("a loopback port is free").to_string(),
        };
        let library = place.path(&format!("libnvidia-ml.so.{DRIVER}"));
        std::fs::copy(program("libnvidia_ml.so"), &library).expect("the library can be copied");
        place.gpus("");
        place.deliver(token);
        let config = format!(
            "nodeName: one\ninterval: 1s\nlisten: {}\nnvml: {{library: {}, deadline: 2s}}\nstateDirectory: {}\nkubernetes: \
             {{apiServer: '{}', caFile: {}, tokenFile: {}{kubernetes}}}\nchecks:\n{MACHINES}{}",
            place.address,
            library.display(),
            place.path("state").display(),
            server.url(),
            server.authority().display(),
            place.path("token").display(),
            more.strip_prefix("checks:\n").unwrap_or(more),
        );
        std::fs::write(place.path("agent.yaml"), config).expect("the configuration can be written");
        place
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a token where the agent's first one is, as `bedplate up` does.
    pub fn deliver(&self, token: &str) {
        write_secret(&self.path("token.new"), token);
        std::fs::rename(self.path("token.new"), self.path("token")).expect("the token can be put there");
    }

    /// What the library says from now on: one H100, `more` added to it. Replaced at once: a running library reads it again at
    /// each call.
    pub fn gpus(&self, more: &str) {
        let scenario = format!(
            "driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\ngpus:\n\
             - {{profile: h100-80gb-hbm3, pci_address: '{ADDRESS}', minor: 0, uuid: {UUID}{more}}}\n"
        );
        let mut new = tempfile::NamedTempFile::new_in(self.folder.path()).expect("a file can be made");
        new.write_all(scenario.as_bytes()).expect("the scenario can be written");
        let path = self.path(&format!("libnvidia-ml-scenario.so.{DRIVER}"));
        new.persist(path).expect("the scenario can be replaced");
    }

    /// Starts the agent; it ends when it is dropped. What it says is added to the log.
    pub fn start(&self) -> Agent {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"));
        let child = Command::new(program("bedplate-agent"))
            .args(["run", "--config"])
            .arg(self.path("agent.yaml"))
            // As in its image: there are no authorities of a system's, only the cluster's.
            .env("SSL_CERT_FILE", self.path("none"))
            .env("SSL_CERT_DIR", self.path("none"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the log can be made"))
            .spawn()
            .expect("the agent starts");
        Agent { child }
    }

    /// What the agent has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Status and body of an answer of the agent's endpoints.
    pub fn ask(&self, path: &str) -> (String, String) {
        let ran = run(Command::new("curl")
            .args(["--silent", "--max-time", "10", "--write-out", "\n%{http_code}"])
            .arg(format!("http://{}{path}", self.address)));
        let (body, status) = ran.stdout.rsplit_once('\n').unwrap_or_default();
        (status.to_owned(), body.to_owned())
    }

    /// What the agent knows, `/v1/state`; nothing before it answers.
    pub fn state(&self) -> Option<Value> {
        let (status, body) = self.ask("/v1/state");
        (status == "200").then(|| serde_json::from_str(&body).expect("the state is JSON"))
    }

    /// The first value of a metric whose labels hold a text.
    pub fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let (_, text) = self.ask("/metrics");
        let mut of = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        of.next()?.rsplit_once(' ')?.1.parse().ok()
    }

    /// A condition as the agent knows it.
    pub fn knows(&self, kind: &str) -> Option<Value> {
        let state = self.state()?;
        let conditions = state["conditions"].as_array()?;
        conditions.iter().find(|condition| condition["kind"] == kind).cloned()
    }
}

/// A running agent.
pub struct Agent {
    child: Child,
}

impl Agent {
    /// The agent and its worker.
    pub fn processes(&self) -> Vec<u32> {
        let agent = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{agent}/task/{agent}/children")).unwrap_or_default();
        let threads = std::fs::read_dir(format!("/proc/{agent}/task"))
            .into_iter()
            .flatten()
            .flatten();
        let of_threads = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        let mut all: Vec<u32> = of_threads
            .chain([children])
            .flat_map(|text| {
                text.split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<u32>>()
            })
            .chain([agent])
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// SIGTERM, and that it ends by itself, well.
    pub fn end(mut self) {
        let ran = run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let since = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None => assert!(since.elapsed() < PATIENCE, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
    }

    /// Resident memory of the agent's own process, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kib.expect("the agent runs")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until `seen` sees what it wants.
#[track_caller]
pub fn until<T>(what: &str, place: &Place, mut seen: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = seen() {
            println!("{what}: after {:?}", since.elapsed());
            return found;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{what} did not happen in {PATIENCE:?}: {}",
            place.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A condition on the node, if it is there.
pub fn condition(server: &ApiServer, kind: &str) -> Option<Value> {
    let node = server.get(&["node", "one"]);
    let conditions = node["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind).cloned()
}

/// A condition on the node, if it is there with this status.
pub fn status(server: &ApiServer, kind: &str, status: &str) -> Option<Value> {
    condition(server, kind).filter(|condition| condition["status"] == status)
}
