//! The built agent publishes to a real API server: what it writes and how often, an API server that goes away, a token that is
//! renewed, and two agents of one node.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::agents_cluster::{NAMESPACE, agents_cluster, bound_token};
use bedplate_tests::api_server::{ApiServer, write_secret};
use bedplate_tests::built::program;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DRIVER: &str = "580.95.05";
const AGENT: &str = "system:serviceaccount:bedplate-system:bedplate-agent";
const HARDWARE: &str = "GPUHardwareProblem";
const PATIENCE: Duration = Duration::from_secs(90);

/// A folder with everything that an agent of the node `one` needs.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(server: &ApiServer, kubernetes: &str, token: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        };
        let library = place.path(&format!("libnvidia-ml.so.{DRIVER}"));
        std::fs::copy(program("libnvidia_ml.so"), &library).expect("the library can be copied");
        place.gpus("");
        write_secret(&place.path("token"), token);
        let config = format!(
            "nodeName: one\ninterval: 1s\nlisten: 127.0.0.1:0\nnvml: {{library: {}, deadline: 2s}}\nstateDirectory: {}\nkubernetes: \
             {{apiServer: '{}', caFile: {}, tokenFile: {}{kubernetes}}}\n",
            library.display(),
            place.path("state").display(),
            server.url(),
            server.authority().display(),
            place.path("token").display(),
        );
        std::fs::write(place.path("agent.yaml"), config).expect("the configuration can be written");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the library says from now on: one H100, `more` added to it.
    fn gpus(&self, more: &str) {
        let scenario = format!(
            "driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\ngpus:\n\
             - {{profile: h100-80gb-hbm3, pci_address: '0000:18:00.0', minor: 0, uuid: GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001{more}}}\n"
        );
        let path = self.path(&format!("libnvidia-ml-scenario.so.{DRIVER}"));
        std::fs::write(path, scenario).expect("the scenario can be written");
    }

    fn start(&self) -> Agent {
        let log = std::fs::File::create(self.path("log")).expect("the log can be made");
        let child = Command::new(program("bedplate-agent"))
            .args(["run", "--config"])
            .arg(self.path("agent.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the agent starts");
        Agent { child }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

struct Agent {
    child: Child,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until `seen` sees what it wants; how long that took.
#[track_caller]
fn until<T>(what: &str, place: &Place, mut seen: impl FnMut() -> Option<T>) -> T {
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

fn condition(server: &ApiServer) -> Option<Value> {
    let node = server.get(&["node", "one"]);
    let conditions = node["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == HARDWARE)
        .cloned()
}

fn status(server: &ApiServer, status: &str) -> Option<Value> {
    condition(server).filter(|condition| condition["status"] == status)
}

#[test]
fn a_lost_gpu_is_on_the_node_and_a_healthy_agent_writes_once_a_heartbeat() {
    let server = agents_cluster();
    let place = Place::new(
        &server,
        ", heartbeat: 20s, taints: true",
        &bound_token(&server, "one", "1h"),
    );
    let _agent = place.start();
    until("the condition is False", &place, || status(&server, "False"));
    let label =
        |server: &ApiServer| server.get(&["node", "one"])["metadata"]["labels"]["bedplate.dev/gpu-count"].clone();
    until("the node is labelled", &place, || (label(&server) == "1").then_some(()));

    // Three heartbeats long, nothing but heartbeats.
    let beat = || condition(&server).map(|condition| condition["lastHeartbeatTime"].clone());
    let (mut seen, before) = (beat(), server.writes_of(AGENT).len());
    for _ in 0..3 {
        seen = until("a heartbeat", &place, || Some(beat()).filter(|now| *now != seen));
    }
    let writes = server.writes_of(AGENT);
    assert_eq!(writes[before..], ["patch nodes/status one"; 3], "{writes:#?}");

    place.gpus(", lost: true");
    until("the condition is True", &place, || status(&server, "True"));
    let node = until("the node is tainted", &place, || {
        let node = server.get(&["node", "one"]);
        let taints = node["spec"]["taints"].as_array()?;
        taints
            .iter()
            .any(|taint| taint["key"] == "bedplate.dev/gpu-unhealthy")
            .then_some(node)
    });
    let gpus = node["metadata"]["annotations"]["bedplate.dev/gpus"]
        .as_str()
        .expect("the annotation is there");
    assert!(gpus.contains("gpu-lost"), "{gpus}");
    assert_eq!(node["metadata"]["labels"]["somebody.example/rack"], "7");
    let events = || server.kubectl_must(&["get", "events.events.k8s.io", "-n", "default", "-o", "json"]);
    until("an Event tells of it", &place, || {
        events().contains("GpuLost").then_some(())
    });
}

#[test]
fn an_api_server_that_was_away_is_told_the_newest_state_and_nothing_in_between() {
    let mut server = agents_cluster();
    let place = Place::new(&server, "", &bound_token(&server, "one", "1h"));
    let _agent = place.start();
    until("the condition is False", &place, || status(&server, "False"));
    server.stop();
    place.gpus(", lost: true");
    until("the agent says that the API is away", &place, || {
        place.log().contains("[unreachable]").then_some(())
    });
    server.run();
    until("the condition is True", &place, || status(&server, "True"));
    until("the agent says that it works", &place, || {
        place.log().contains("works again").then_some(())
    });
}

#[test]
fn a_token_past_half_of_its_life_is_renewed_and_shown_to_nobody() {
    let server = agents_cluster();
    // The shortest that Kubernetes gives.
    let first = bound_token(&server, "one", "10m");
    let place = Place::new(&server, ", heartbeat: 10s", &first);
    let _agent = place.start();
    until("the condition is False", &place, || status(&server, "False"));
    assert!(!place.path("state/token").exists(), "there is no reason yet");
    assert!(!place.log().contains(&first), "the token is in the log");
}

#[test]
fn of_two_agents_of_a_node_one_publishes() {
    let server = agents_cluster();
    let token = bound_token(&server, "one", "1h");
    let (unit, pod) = (
        Place::new(&server, "", &token),
        Place::new(&server, ", publisher: daemonset", &token),
    );
    let _first = unit.start();
    until("the condition is False", &unit, || status(&server, "False"));
    let lease = server.get(&["lease", "-n", NAMESPACE, "bedplate-agent-one"]);
    assert_eq!(lease["spec"]["holderIdentity"], "systemd");
    pod.gpus(", lost: true");
    let _second = pod.start();
    until("the second one is silent", &pod, || {
        pod.log()
            .contains("publishes for this node, and this one")
            .then_some(())
    });
    assert!(status(&server, "False").is_some());
}
