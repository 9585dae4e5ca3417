//! The alert rules on what the built daemon really exports: in each state of a host it is read twice, and Debian's promtool works out
//! which alerts would fire an hour later. Needs root.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::{repository, run};
use bedplate_tests::driver_tree::{ADDRESS, Host};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Slower than anything here is on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between the two readings: long against the agent's interval of one second, which is how much a value may be late.
const APART: Duration = Duration::from_secs(6);

/// These trees have no kernel's log, and a host is not to be unknown for that; disk and memory are those of the machine that the
/// tests run on.
const NOT_OF_THE_TREE: &str = "checks:\n\
    - {code: kernel-log-unreadable, mode: monitor, owner: a test, reason: no log, expires: 2099-01-01T00:00:00Z}\n\
    - {code: node-*, mode: monitor, owner: a test, reason: not the tree's, expires: 2099-01-01T00:00:00Z}\n\
    - {code: memory-pressure, mode: monitor, owner: a test, reason: not the tree's, expires: 2099-01-01T00:00:00Z}\n";

/// The daemon of a host.
struct Daemon {
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

impl Daemon {
    /// With `more` added to its configuration.
    fn of(host: &Host, more: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let address = listener.local_addr().expect("it has an address").to_string();
        drop(listener);
        host.write(
            "agent.yaml",
            &format!(
                "nodeName: gpu-1\ninterval: 1s\nlisten: {address}\nnvml: {{library: {}, deadline: 2s}}\nstateDirectory: {}\n{NOT_OF_THE_TREE}{more}",
                host.library().display(),
                host.path("state").display()
            ),
        );
        let log = std::fs::File::create(host.path("log")).expect("the log can be made");
        let child = host
            .command()
            .args(["run", "--config"])
            .arg(host.path("agent.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        Self { child, address }
    }

    fn ask(&self, path: &str) -> Option<String> {
        let url = format!("http://{}{path}", self.address);
        let ran = run(Command::new("curl").args(["--silent", "--fail", "--max-time", "10", &url]));
        (ran.code == Some(0)).then_some(ran.stdout)
    }

    /// The metrics once the first look at the host is over and the worst has shown itself.
    fn settled(&self, sign: &str) -> String {
        let since = Instant::now();
        loop {
            let text = self.ask("/metrics").unwrap_or_default();
            if text.lines().any(|line| line.starts_with(sign)) {
                return text;
            }
            assert!(since.elapsed() < PATIENCE, "no {sign} in {text}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Samples by series, as Prometheus keeps them.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a sample is a series and a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let comma = if labels == "}" { "" } else { "," };
        let series = format!("{name}{{job=\"bedplate-agent\",instance=\"gpu-1:9479\"{comma}{labels}");
        (series, value.parse().expect("a value is a number"))
    });
    pairs.collect()
}

fn unix_now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("it is after 1970").as_secs_f64()
}

/// The alerts that fire after an hour in which everything goes on as between two readings.
fn firing(host: &Host, sign: &str) -> Vec<String> {
    firing_with(host, "", sign)
}

/// The same with `more` added to the daemon's configuration.
fn firing_with(host: &Host, more: &str, sign: &str) -> Vec<String> {
    let daemon = Daemon::of(host, more);
    daemon.settled(sign);
    let read = || (unix_now(), samples(&daemon.ask("/metrics").expect("it answers")));
    let (first_at, first) = read();
    std::thread::sleep(APART);
    let (second_at, second) = read();
    let mut series =
        String::from("  - {series: 'up{job=\"bedplate-agent\",instance=\"gpu-1:9479\"}', values: '1x240'}\n");
    for (name, then) in &first {
        let Some(now) = second.get(name) else { continue };
        // What grows does so by whole units a second: ages and times of a clock. What has fallen has begun again,
        // and promtool reads no -0.
        let slope = ((now - then) / (second_at - first_at)).round().max(0.0) + 0.0;
        // promtool's time begins at 0.
        let begin = if name.contains("_timestamp_seconds{") {
            then - first_at
        } else {
            *then
        };
        writeln!(
            series,
            "  - {{series: '{name}', values: '{begin}+{}x240'}}",
            slope * 15.0
        )
        .expect("a string takes it");
    }
    let rules = repository().join("manifests/agent/alerts-rules.yaml");
    // What is expected is nothing, so that promtool prints all there is.
    let case = format!(
        "rule_files: [{}]\nevaluation_interval: 15s\ntests:\n- interval: 15s\n  input_series:\n{series}  promql_expr_test:\n  \
         - {{expr: 'count by (alertname) (ALERTS{{alertstate=\"firing\"}})', eval_time: 1h, exp_samples: [{{labels: '{{alertname=\"none\"}}', value: 1}}]}}\n",
        rules.display()
    );
    host.write("case.yaml", &case);
    let ran = run(Command::new("promtool")
        .args(["test", "rules"])
        .arg(host.path("case.yaml")));
    let said = format!("{}{}", ran.stdout, ran.stderr);
    let (_, got) = said.split_once("got:").unwrap_or_else(|| panic!("{said}\n{case}"));
    let mut alerts: Vec<String> = got
        .split("alertname=\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    alerts.sort();
    alerts
}

const LOOKED: &str = "bedplate_agent_pass_timestamp_seconds";
/// These hosts have no kubelet.
const NO_KUBELET: &str = "BedplateGpuPodsUnknown";

#[test]
fn a_healthy_host_raises_nothing_of_its_gpu() {
    assert_eq!(firing(&Host::new("", ""), LOOKED), [NO_KUBELET]);
}

#[test]
fn a_host_without_a_gpu_raises_nothing() {
    let host = Host::new("init: {code: 9}\n", "");
    host.remove("module/nvidia");
    host.remove(&format!("bus/pci/devices/{ADDRESS}"));
    host.remove("dev/nvidia0");
    assert_eq!(firing(&host, LOOKED), [NO_KUBELET]);
}

#[test]
fn a_host_whose_gpu_is_passed_through_raises_nothing() {
    let host = Host::new("init: {code: 9}\n", "");
    host.remove("module/nvidia");
    host.remove(&format!("bus/pci/devices/{ADDRESS}/driver"));
    host.write("bus/pci/drivers/vfio-pci/module", "");
    std::os::unix::fs::symlink(
        "../../drivers/vfio-pci",
        host.path(&format!("bus/pci/devices/{ADDRESS}/driver")),
    )
    .expect("a link can be made");
    assert_eq!(firing(&host, LOOKED), [NO_KUBELET]);
}

#[test]
fn a_lost_gpu_is_a_problem_of_that_gpu() {
    assert_eq!(
        firing(&Host::new("", ", lost: true"), LOOKED),
        [NO_KUBELET, "BedplateGpuProblem"]
    );
}

#[test]
fn a_device_without_its_module_is_a_gpu_that_is_missing() {
    let host = Host::new("init: {code: 9}\n", "");
    host.remove("module/nvidia");
    host.remove("driver/nvidia");
    assert_eq!(
        firing(&host, LOOKED),
        [
            "BedplateGpuMissing",
            "BedplateGpuNodeProblem",
            "BedplateGpuNvmlUnresponsive",
            NO_KUBELET
        ]
    );
}

#[test]
fn a_hung_library_is_a_problem_and_values_that_grow_old() {
    let host = Host::new("", ", hang: {call: nvmlDeviceGetTemperature, seconds: forever}");
    let found = firing(
        &host,
        "bedplate_gpu_nvml_state{state=\"unresponsive\",Hostname=\"gpu-1\"} 1",
    );
    assert_eq!(
        found,
        ["BedplateGpuNodeProblem", "BedplateGpuNvmlUnresponsive", NO_KUBELET]
    );
}

#[test]
fn a_cluster_that_hears_nothing_of_a_healthy_host_is_an_agent_that_does_not_publish() {
    let host = Host::new("", "");
    let absent = host.path("absent").display().to_string();
    let kubernetes =
        format!("kubernetes: {{apiServer: 'https://127.0.0.1:1', caFile: {absent}, tokenFile: {absent}}}\n");
    let found = firing_with(&host, &kubernetes, LOOKED);
    assert_eq!(found, ["BedplateAgentNotPublishing", NO_KUBELET]);
}
