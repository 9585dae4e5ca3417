//! At most one stuck worker on a machine, whoever asks: one-shots and daemons find the one that hangs, and start none beside it. One
//! that works keeps nobody from running.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_protocol::NodeFacts;
use bedplate_protocol::facts::NvmlStatus;
use bedplate_tests::built::{program, run};
use bedplate_tests::nvml_worker::{HEALTHY, Nvml};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const HANG: &str = "hang: {call: nvmlDeviceGetCount, seconds: forever}\n";

/// Processes that own this library.
fn workers(library: &Path) -> Vec<u32> {
    let library = library.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let named = processes.filter_map(|entry| {
        let pid = entry.file_name().to_string_lossy().parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        (line.contains("nvml-worker") && line.contains(&library)).then_some(pid)
    });
    named.collect()
}

fn facts(nvml: &Nvml) -> NodeFacts {
    let ran = run(Command::new(program("bedplate-agent"))
        .args(["facts", "--nvml-deadline", "1", "--nvml-library"])
        .arg(nvml.library()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).expect("facts are one JSON document")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let expiry = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < expiry, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A daemon that ends with the test.
struct Daemon(Child, tempfile::TempDir);

impl Daemon {
    fn start(nvml: &Nvml) -> Self {
        Self::with_deadline(nvml, "1s")
    }

    fn with_deadline(nvml: &Nvml, deadline: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let configuration = format!(
            "nodeName: gpu-1\ninterval: 1s\nnvml: {{library: {}, deadline: {deadline}}}\nstateDirectory: {}\nlisten: 127.0.0.1:0\n",
            nvml.library().display(),
            folder.path().join("state").display()
        );
        std::fs::write(folder.path().join("agent.yaml"), configuration).expect("the configuration can be written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file can be made");
        let child = Command::new(program("bedplate-agent"))
            .args(["run", "--config"])
            .arg(folder.path().join("agent.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the agent starts");
        Self(child, folder)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.1.path().join("log")).unwrap_or_default()
    }

    /// SIGTERM, and how long the end took.
    fn ends(&mut self) -> Duration {
        let since = Instant::now();
        let ran = run(Command::new("kill").args(["-TERM", &self.0.id().to_string()]));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        until("the daemon's end", || {
            self.0.try_wait().expect("it is our child").is_some()
        });
        since.elapsed()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_second_reader_finds_the_worker_that_hangs_and_starts_none_and_neither_does_a_daemon() {
    let nvml = Nvml::new(&format!("{HANG}{HEALTHY}"));
    let NvmlStatus::Unresponsive {
        call,
        since: Some(first),
        ..
    } = facts(&nvml).nvml.status
    else {
        panic!("it hangs")
    };
    assert_eq!(call, "nvmlDeviceGetCount_v2");
    let stuck = workers(&nvml.library());
    assert_eq!(stuck.len(), 1, "the one that hangs lives on");
    let at = Instant::now();
    for _ in 0..3 {
        let status = facts(&nvml).nvml.status;
        let NvmlStatus::Unresponsive { since, .. } = status else {
            panic!("{status:?}")
        };
        assert_eq!(since, Some(first), "it is the same call");
    }
    assert!(
        at.elapsed() < Duration::from_secs(6),
        "nobody waits for it again: {:?}",
        at.elapsed()
    );
    let daemon = Daemon::start(&nvml);
    until("the daemon says so too", || {
        daemon.log().contains("nvml-unresponsive") || daemon.log().contains("NVML unresponsive")
    });
    assert_eq!(workers(&nvml.library()), stuck, "it is still the only one");
    nvml.set(HEALTHY);
    until("the call comes back and the worker is gone", || {
        !workers(&nvml.library()).contains(&stuck[0])
    });
    assert_eq!(facts(&nvml).nvml.status, NvmlStatus::Ready, "and NVML is read again");
}

#[test]
fn a_daemon_whose_worker_works_keeps_no_reader_from_running() {
    let nvml = Nvml::new(HEALTHY);
    let _daemon = Daemon::start(&nvml);
    until("the daemon's worker", || workers(&nvml.library()).len() == 1);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(facts(&nvml).nvml.status, NvmlStatus::Ready);
    until("the reader's worker is gone and the daemon's is not", || {
        workers(&nvml.library()).len() == 1
    });
}

#[test]
fn a_worker_has_a_process_group_of_its_own() {
    let nvml = Nvml::new(HEALTHY);
    let daemon = Daemon::start(&nvml);
    until("the daemon's worker", || workers(&nvml.library()).len() == 1);
    let worker = workers(&nvml.library())[0];
    let group = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        let after = stat.rsplit_once(')').expect("proc(5)").1.to_owned();
        after.split_whitespace().nth(2).expect("proc(5)").to_owned()
    };
    assert_eq!(group(worker), worker.to_string());
    assert_ne!(group(worker), group(daemon.0.id()));
}

#[test]
fn a_daemon_that_is_asked_to_end_waits_for_a_slow_call_and_leaves_no_worker() {
    let slow = HEALTHY.replace(
        "minor: 0",
        "minor: 0, hang: {call: nvmlDeviceGetTemperature, seconds: 6}",
    );
    let nvml = Nvml::new(&slow);
    let mut daemon = Daemon::with_deadline(&nvml, "30s");
    until("the daemon's worker", || workers(&nvml.library()).len() == 1);
    std::thread::sleep(Duration::from_secs(1));
    let took = daemon.ends();
    assert_eq!(workers(&nvml.library()), Vec::<u32>::new(), "nothing is left behind");
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(8)).contains(&took),
        "{took:?}"
    );
}
