//! The daemon as systemd would run it: the built agent with a simulated NVML library and a service manager's socket, from its
//! first look to its end, through a lost GPU, a hung library, a kill and a restart.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::{program, run};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const DRIVER: &str = "580.95.05";
/// No wait of a test is longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with everything that a daemon needs.
struct Place {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Place {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket can be bound");
        let place = Self { folder, socket };
        std::fs::copy(program("libnvidia_ml.so"), place.library()).expect("the library can be copied");
        place.gpus("");
        let config = format!(
            "nodeName: gpu-1\ninterval: 1s\nlisten: 127.0.0.1:0\nnvml: {{library: {}, deadline: 2s}}\nstateDirectory: {}\n{more}",
            place.library().display(),
            place.path("state").display()
        );
        std::fs::write(place.path("agent.yaml"), config).expect("the configuration can be written");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn library(&self) -> PathBuf {
        self.path(&format!("libnvidia-ml.so.{DRIVER}"))
    }

    /// What the library says from now on: two H100, `of_second` added to the second one.
    fn gpus(&self, of_second: &str) {
        let scenario = format!(
            "driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\ngpus:\n\
             - {{profile: h100-80gb-hbm3, pci_address: '0000:18:00.0', minor: 0, uuid: GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001}}\n\
             - {{profile: h100-80gb-hbm3, pci_address: '0000:38:00.0', minor: 1, uuid: GPU-5b0d91a7-4e1c-4c6a-9f00-000000000002{of_second}}}\n"
        );
        let path = self.path(&format!("libnvidia-ml-scenario.so.{DRIVER}"));
        std::fs::write(path, scenario).expect("the scenario can be written");
    }

    fn start(&self) -> Daemon {
        self.start_with(Stdio::inherit())
    }

    /// The same with another place for its log.
    fn start_with(&self, log: impl Into<Stdio>) -> Daemon {
        let child = Command::new(program("bedplate-agent"))
            .args(["run", "--config"])
            .arg(self.path("agent.yaml"))
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("WATCHDOG_USEC", "2000000")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the agent starts");
        Daemon { child }
    }

    /// Waits until the service manager is told something that fits; what it was, and how long that took.
    fn told(&self, what: &str, fits: impl Fn(&str) -> bool) -> (String, Duration) {
        let since = Instant::now();
        let mut heard = Vec::new();
        while since.elapsed() < PATIENCE {
            let mut buffer = [0; 4096];
            let left = PATIENCE.saturating_sub(since.elapsed()).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left)).expect("a timeout can be set");
            let Ok(length) = self.socket.recv(&mut buffer) else {
                break;
            };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if fits(&text) {
                return (text, since.elapsed());
            }
            heard.push(text);
        }
        panic!("{what} was not told within {PATIENCE:?}; {heard:#?}");
    }

    fn status(&self, what: &str, fits: impl Fn(&str) -> bool) -> Duration {
        let (text, took) = self.told(what, |text| text.strip_prefix("STATUS=").is_some_and(&fits));
        eprintln!("{what}: after {took:?}: {text}");
        took
    }

    /// Since when each condition has its status, as the daemon keeps it.
    fn kept(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path("state/health.json")).expect("the daemon has kept its state");
        let kept: serde_json::Value = serde_json::from_str(&text).expect("the state is JSON");
        kept["memory"]["statuses"].clone()
    }
}

struct Daemon {
    child: Child,
}

impl Daemon {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let ran = run(Command::new("kill").args(["-s", name, &pid]));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }

    fn end(&mut self) -> (ExitStatus, Duration) {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the agent can be waited for") {
                return (status, since.elapsed());
            }
            assert!(since.elapsed() < PATIENCE, "the agent does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The daemon of this test reads the machine that runs it, which has none of the library's GPUs on PCI: only conditions that
/// are read from GPUs are looked at.
const HARDWARE: &str = "GPUHardwareProblem";

fn is(status: &str, value: &str) -> bool {
    status.contains(&format!("{HARDWARE}={value}"))
}

fn read_and_fine(status: &str) -> bool {
    !status.contains(HARDWARE) && status.contains("of 2 GPU(s)")
}

#[test]
fn a_lost_gpu_is_a_condition_within_an_interval_and_outlives_a_kill() {
    let place = Place::new("");
    let mut daemon = place.start();
    place.told("readiness", |text| text == "READY=1");
    place.status("unknown becomes false", read_and_fine);
    place.told("a sign of life", |text| text == "WATCHDOG=1");
    place.gpus(", lost: true");
    let took = place.status("a lost GPU", |status| is(status, "True"));
    assert!(took < Duration::from_secs(3), "an interval is 1 s: {took:?}");
    // It is told before it is kept.
    let since = Instant::now();
    while place.kept()[HARDWARE]["status"] != "True" {
        assert!(since.elapsed() < PATIENCE, "{:#}", place.kept());
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = place.kept();
    daemon.signal("KILL");
    daemon.end();

    let mut daemon = place.start();
    place.told("readiness", |text| text == "READY=1");
    place.status("the first look after the restart", |status| is(status, "True"));
    daemon.signal("TERM");
    let (status, took) = daemon.end();
    assert_eq!(status.code(), Some(0));
    eprintln!("SIGTERM: ended after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(
        place.kept()[HARDWARE],
        before[HARDWARE],
        "a restart moves no transition time"
    );
}

#[test]
fn a_hung_library_is_unresponsive_and_holds_up_neither_state_nor_end() {
    let place = Place::new("");
    let mut daemon = place.start();
    place.status("unknown becomes false", read_and_fine);
    place.gpus(", hang: {call: nvmlDeviceGetTemperature, seconds: forever}");
    place.status("an unresponsive NVML", |status| status.contains("GPUUnresponsive=True"));
    place.status("silence about what only GPUs tell", |status| is(status, "Unknown"));
    place.gpus("");
    place.status("an NVML that answers again", |status| {
        !status.contains("GPUUnresponsive") && !is(status, "Unknown")
    });
    place.gpus(", hang: {call: nvmlDeviceGetTemperature, seconds: forever}");
    place.status("an unresponsive NVML", |status| status.contains("GPUUnresponsive=True"));
    daemon.signal("TERM");
    let (status, took) = daemon.end();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn what_nvml_tells_between_two_passes_is_explained_by_one_at_once() {
    let place = Place::new("");
    let config = place.path("agent.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("interval: 1s", "interval: 10m")).unwrap();
    let _daemon = place.start();
    place.status("unknown becomes false", read_and_fine);
    place.gpus(", recovery_action: 1}\nevents:\n- {id: 1, gpu: 1, kind: gpu-recovery-action, data: 1");
    let took = place.status("a GPU that wants its reset", |status| {
        status.contains("GPUHardwareProblem=True")
    });
    assert!(
        took < Duration::from_secs(10),
        "{took:?}: the next pass was ten minutes away"
    );
}

#[test]
fn every_mistake_of_the_configuration_is_told_and_nothing_begins() {
    let place = Place::new("lissen: everywhere\nchecks: [{code: gpu-lost}]\n");
    let ran = run(Command::new(program("bedplate-agent"))
        .args(["run", "--config"])
        .arg(place.path("agent.yaml")));
    assert_eq!(ran.code, Some(78), "{}", ran.stderr);
    for word in ["agent.yaml:6:1", "lissen", "agent.yaml:7:", "missing: `owner`"] {
        assert!(ran.stderr.contains(word), "{word} in {}", ran.stderr);
    }
    assert!(!Path::new(&place.path("state")).exists());
    let ran = run(Command::new(program("bedplate-agent")).args(["run", "--config", "/nonexistent/agent.yaml"]));
    assert_eq!(ran.code, Some(78));
    assert!(ran.stderr.contains("/nonexistent/agent.yaml"), "{}", ran.stderr);
}

#[test]
fn an_override_that_has_expired_is_in_the_log_from_the_start() {
    let place =
        Place::new("checks: [{code: gpu-lost, mode: off, owner: me, reason: r, expires: 2020-01-01T00:00:00Z}]\n");
    let log = std::fs::File::create(place.path("log")).unwrap();
    let _daemon = place.start_with(log);
    let since = Instant::now();
    let said = loop {
        let said = std::fs::read_to_string(place.path("log")).unwrap();
        if said.contains("override-expired") || since.elapsed() > PATIENCE {
            break said;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(said.contains("agent.yaml:6:") && said.contains("2020-01-01"), "{said}");
}

#[test]
fn state_that_cannot_be_read_is_put_aside_and_not_lost() {
    let place = Place::new("");
    std::fs::create_dir(place.path("state")).unwrap();
    std::fs::write(place.path("state/health.json"), "{half of a docu").unwrap();
    let _daemon = place.start();
    place.status("unknown becomes false", read_and_fine);
    let aside = std::fs::read_to_string(place.path("state/health.json.unreadable")).unwrap();
    assert_eq!(aside, "{half of a docu");
}

#[test]
fn state_that_can_be_neither_read_nor_put_aside_keeps_nobody_from_looking() {
    let place = Place::new("");
    std::fs::create_dir_all(place.path("state/health.json")).unwrap();
    std::fs::create_dir_all(place.path("state/health.json.unreadable/full")).unwrap();
    let _daemon = place.start();
    place.status("unknown becomes false", read_and_fine);
}

#[test]
fn a_port_that_is_taken_keeps_nobody_from_looking_and_is_taken_once_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::new("");
    let configuration = std::fs::read_to_string(place.path("agent.yaml")).unwrap();
    let configuration = configuration.replace("listen: 127.0.0.1:0", &format!("listen: {address}"));
    std::fs::write(place.path("agent.yaml"), configuration).unwrap();
    let _daemon = place.start();
    place.status("unknown becomes false", read_and_fine);
    let expiry = Instant::now() + Duration::from_mins(1);
    drop(taken);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < expiry, "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
