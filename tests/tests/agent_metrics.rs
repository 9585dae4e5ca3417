//! What the built daemon serves over HTTP, on the simulated NVML library: its endpoints, metrics that Debian's promtool reads,
//! a library that hangs, TLS and a token.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::{Ran, program, repository, run};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DRIVER: &str = "580.95.05";
const FIRST: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001";
const SECOND: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000002";
/// Slower than anything here is on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A daemon on two H100, with files of its own.
struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
    address: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::create_dir(folder.path().join("state")).expect("a folder can be made");
    std::fs::copy(program("libnvidia_ml.so"), library(&folder)).expect("the library can be copied");
    scenario(&folder, "");
    folder
}

fn library(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join(format!("libnvidia-ml.so.{DRIVER}"))
}

/// Two H100; `of_second` is added to the second one. Replaced at once: a running library reads it again at each call.
fn scenario(folder: &tempfile::TempDir, of_second: &str) {
    let text = format!(
        "driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\ngpus:\n\
         - {{profile: h100-80gb-hbm3, pci_address: '0000:18:00.0', minor: 0, uuid: {FIRST}}}\n\
         - {{profile: h100-80gb-hbm3, pci_address: '0000:38:00.0', minor: 1, uuid: {SECOND}{of_second}}}\n"
    );
    let mut new = tempfile::NamedTempFile::new_in(folder.path()).expect("a file can be made");
    new.write_all(text.as_bytes()).expect("the scenario can be written");
    let path = folder.path().join(format!("libnvidia-ml-scenario.so.{DRIVER}"));
    new.persist(path).expect("the scenario can be replaced");
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("it has an address").port()
}

fn configuration(folder: &tempfile::TempDir, listen: &str, serve: &str) -> PathBuf {
    let path = folder.path().join("agent.yaml");
    let at = folder.path().display();
    let text = format!(
        "nodeName: gpu-1\ninterval: 1s\nnvml: {{library: {}, deadline: 2s}}\nstateDirectory: {at}/state\nlisten: {listen}\n\
         serve: {{podResourcesSocket: {at}/kubelet.sock{serve}}}\n",
        library(folder).display()
    );
    std::fs::write(&path, text).expect("the configuration can be written");
    path
}

impl Daemon {
    fn begin(folder: tempfile::TempDir, serve: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let configuration = configuration(&folder, &address, serve);
        let log = std::fs::File::create(folder.path().join("log")).expect("the log can be made");
        let child = Command::new(program("bedplate-agent"))
            .args(["run", "--config"])
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        Self { folder, child, address }
    }

    /// Status and body of an answer.
    fn ask(&self, arguments: &[&str], path: &str) -> (String, String) {
        let scheme = if arguments.contains(&"--cacert") {
            "https"
        } else {
            "http"
        };
        let ran = run(Command::new("curl")
            .args(["--silent", "--max-time", "10", "--write-out", "\n%{http_code}"])
            .args(arguments)
            .arg(format!("{scheme}://{}{path}", self.address)));
        let (body, status) = ran.stdout.rsplit_once('\n').unwrap_or_default();
        (status.to_owned(), body.to_owned())
    }

    fn metrics(&self) -> String {
        let (status, text) = self.ask(&[], "/metrics");
        assert_eq!(status, "200", "{text}{}", self.log());
        text
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until something holds of an answer.
    fn until(&self, what: &str, arguments: &[&str], path: &str, holds: impl Fn(&str, &str) -> bool) -> String {
        let since = Instant::now();
        loop {
            let (status, body) = self.ask(arguments, path);
            if holds(&status, &body) {
                return body;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}: {status} {body}{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn ready(self, arguments: &[&str]) -> Self {
        self.until("ready", arguments, "/readyz", |status, _| status == "200");
        self
    }
}

/// The first value of a metric whose labels hold a text.
fn value(text: &str, metric: &str, label: &str) -> Option<f64> {
    let mut of = text
        .lines()
        .filter(|line| line.starts_with(&format!("{metric}{{")) && line.contains(label));
    of.next()?.rsplit_once(' ')?.1.parse().ok()
}

/// promtool's one objection is to `modelName`, which is dcgm-exporter's own name for the label: dashboards that know that
/// exporter must find it here.
fn assert_promtool_accepts(text: &str) {
    let checked = promtool(&["check", "metrics"], Some(text));
    let objections: Vec<&str> = checked
        .stdout
        .lines()
        .chain(checked.stderr.lines())
        .filter(|line| !line.ends_with("label names should be written in 'snake_case' not 'camelCase'"))
        .collect();
    assert_eq!(objections, Vec::<&str>::new(), "{text}");
    // 3 is lint only (promtool 2.42, cmd/promtool/main.go, lintErrExitCode).
    assert!(matches!(checked.code, Some(0 | 3)), "{:?}", checked.code);
}

fn promtool(arguments: &[&str], input: Option<&str>) -> Ran {
    let mut command = Command::new("promtool");
    command
        .args(arguments)
        .current_dir(repository().join("tests/prometheus"));
    match input {
        None => run(&mut command),
        Some(text) => {
            let mut file = tempfile::tempfile().expect("a file can be made");
            file.write_all(text.as_bytes()).expect("it can be written");
            std::io::Seek::rewind(&mut file).expect("it can be read from its beginning");
            let output = command
                .stdin(file)
                .output()
                .expect("promtool runs: apt-get install prometheus");
            Ran {
                code: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }
        }
    }
}

#[test]
fn what_a_daemon_exports_passes_promtool_and_names_each_gpu_once() {
    let daemon = Daemon::begin(folder(), "").ready(&[]);
    let text = daemon.metrics();
    assert_promtool_accepts(&text);
    for uuid in [FIRST, SECOND] {
        let temperature = text
            .lines()
            .filter(|line| line.starts_with("bedplate_gpu_temperature_celsius{") && line.contains(uuid));
        assert_eq!(temperature.count(), 1, "{text}");
        assert!(value(&text, "bedplate_gpu_memory_size_bytes", uuid).unwrap() > 79.0 * 1024.0 * 1024.0 * 1024.0);
    }
    assert!(text.contains(&format!(
        "{{gpu=\"1\",UUID=\"{SECOND}\",pci_bus_id=\"00000000:38:00.0\",device=\"nvidia1\",modelName=\"NVIDIA H100 80GB HBM3\",\
         Hostname=\"gpu-1\"}}"
    )));
    assert_eq!(value(&text, "bedplate_gpu_nvml_stale_seconds", ""), Some(0.0));
    // No kubelet is here, and that is said, not guessed around.
    assert_eq!(value(&text, "bedplate_gpu_pod_resources_up", ""), Some(0.0));
    assert!(!text.contains("\nbedplate_gpu_pod_info{"), "{text}");

    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    let (_, open) = daemon.ask(&["--header", accept], "/metrics");
    assert!(open.ends_with("# EOF\n"), "{open}");
    assert!(open.contains("# TYPE bedplate_agent_build info"), "{open}");
}

#[test]
fn the_other_endpoints_say_what_they_promise() {
    let daemon = Daemon::begin(folder(), "").ready(&[]);
    assert_eq!(daemon.ask(&[], "/livez").0, "200");
    let (status, state) = daemon.ask(&[], "/v1/state");
    assert_eq!(status, "200");
    let state: serde_json::Value = serde_json::from_str(&state).expect("the state is JSON");
    assert_eq!(state["facts"]["nvml"]["gpus"][1]["uuid"], SECOND, "{state}");
    assert!(
        state["conditions"].as_array().is_some_and(|all| !all.is_empty()),
        "{state}"
    );
    assert_eq!(daemon.ask(&[], "/").0, "404");
    assert_eq!(daemon.ask(&["--request", "POST", "--data", "x"], "/metrics").0, "405");
    assert_eq!(daemon.ask(&["--head"], "/metrics").0, "200");
    let long = format!("X-Long: {}", "x".repeat(20_000));
    assert_ne!(daemon.ask(&["--header", &long], "/metrics").0, "200");
}

#[test]
fn a_library_that_hangs_leaves_the_metrics_alive_and_their_age_grows() {
    let daemon = Daemon::begin(folder(), "").ready(&[]);
    assert!(value(&daemon.metrics(), "bedplate_gpu_temperature_celsius", FIRST).is_some());
    scenario(
        &daemon.folder,
        ", hang: {call: nvmlDeviceGetTemperature, seconds: forever}",
    );
    let stale = |text: &str| value(text, "bedplate_gpu_nvml_stale_seconds", "").unwrap_or_default();
    let first = daemon.until("stale values", &[], "/metrics", |_, text| stale(text) > 0.0);
    daemon.until("values that grow older", &[], "/metrics", |_, text| {
        stale(text) >= stale(&first) + 2.0
    });
    let text = daemon.metrics();
    assert!(
        value(&text, "bedplate_gpu_values_age_seconds", "").unwrap() >= 2.0,
        "{text}"
    );
    assert_eq!(
        value(&text, "bedplate_gpu_nvml_state", "state=\"unresponsive\""),
        Some(1.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "bedplate_gpu_node_health", "health=\"healthy\""),
        Some(0.0),
        "{text}"
    );
    assert_promtool_accepts(&text);
    assert_eq!(daemon.ask(&[], "/livez").0, "200", "the daemon's loop turns on");
    scenario(&daemon.folder, "");
    daemon.until("fresh values", &[], "/metrics", |_, text| stale(text) == 0.0);
}

#[test]
fn an_address_that_others_reach_is_refused_without_tls_and_token() {
    let folder = folder();
    let configuration = configuration(&folder, &format!("0.0.0.0:{}", free_port()), "");
    let ran = run(Command::new("timeout")
        .arg("60")
        .arg(program("bedplate-agent"))
        .args(["run", "--config"])
        .arg(configuration));
    assert!(!matches!(ran.code, Some(0 | 124) | None), "{ran:?}");
    assert!(ran.stderr.contains("serve.tls.certificateFile"), "{}", ran.stderr);
}

/// A certificate for 127.0.0.1 and its key.
fn certificate(folder: &Path, name: &str) {
    let ran = run(Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn with_tls_and_a_token_only_who_shows_it_is_answered_and_a_new_certificate_is_taken_up() {
    let folder = folder();
    let at = folder.path().to_owned();
    certificate(&at, "first");
    let token = "0123456789abcdef0123456789abcdef";
    let token_file = at.join("token");
    std::fs::write(&token_file, format!("{token}\n")).unwrap();
    assert_eq!(run(Command::new("chmod").arg("0600").arg(&token_file)).code, Some(0));
    let serve = format!(
        ", tls: {{certificateFile: {0}/certificate.pem, keyFile: {0}/key.pem}}, tokenFile: {0}/token",
        at.display()
    );
    let ca = at.join("certificate.pem");
    let trust = ["--cacert", ca.to_str().unwrap()];
    let daemon = Daemon::begin(folder, &serve).ready(&trust);
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let (right, wrong) = (bearer(token), bearer(&token.replace('0', "1")));
    for path in ["/metrics", "/v1/state"] {
        assert_eq!(daemon.ask(&trust, path).0, "401", "{path}");
        assert_eq!(
            daemon.ask(&[&trust[..], &["--header", &wrong]].concat(), path).0,
            "401",
            "{path}"
        );
        assert_eq!(
            daemon.ask(&[&trust[..], &["--header", &right]].concat(), path).0,
            "200",
            "{path}"
        );
    }
    assert_eq!(
        daemon.ask(&[], "/livez").0,
        "000",
        "no plain HTTP on a port that speaks TLS"
    );

    // Another certificate: who trusts only this one is answered, without a restart.
    certificate(&at, "second");
    daemon.until("the new certificate", &trust, "/readyz", |status, _| status == "200");
}
