//! One cluster of three simulated machines, made once, and everything that is true of it, in the order in which a person
//! would live through it. Needs root and what `tests/tools/prepare` makes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "parts of one test stand outside #[test]"
)]

mod agents;
mod bootstrap;
mod daemonset;
mod drift;
mod health;
mod pods;
mod power;
mod scrape;
mod toolkit;

use bedplate_substrates::simulated::Hosts;
use bedplate_substrates::simulated::census::Census;
use bedplate_tests::built::{self, Ran, bedplate, run};
use bedplate_tests::cluster_file;
use bedplate_tests::report::Report;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const NAME: &str = "cluster-test";
const HOSTS: [&str; 3] = ["gpu-1", "gpu-2", "gpu-3"];
const GATES: [&str; 4] = [
    "agent-reports passed",
    "gpu-allocatable passed",
    "gpu-time-slicing passed",
    "pod-network passed",
];

#[test]
fn a_cluster_of_three_machines_from_bare_to_gone() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(left) = Hosts::existing(NAME, &built::host_options()).unwrap() {
        left.down().unwrap();
    }
    let before = Census::read(NAME);
    let here = folder.path().to_owned();
    // A thread of its own enters the machines' network; this one stays outside and can compare.
    std::thread::spawn(move || live(&Cluster::new(&here))).join().unwrap();
    assert_eq!(
        Census::read(NAME).differences(&before),
        Vec::<String>::new(),
        "left behind on this machine"
    );
}

/// What is done with the cluster, and asserted.
type Part = fn(&Cluster<'_>);

/// What the cluster lives through, in this order; each part begins where the one before it ended.
const LIFE: &[(&str, Part)] = &[
    (
        "preflight changes nothing on fresh hosts",
        bootstrap::preflight_changes_nothing,
    ),
    ("preflight names a lost GPU", bootstrap::preflight_names_a_lost_gpu),
    (
        "a host whose GPU is lost never becomes a node, the others do",
        bootstrap::lost_gpu_is_left_out,
    ),
    (
        "a healed host joins, the others are not touched",
        bootstrap::healed_host_joins,
    ),
    ("the kubeconfig is private and works", bootstrap::kubeconfig_works),
    ("a second run changes nothing", bootstrap::no_change),
    (
        "four changes by hand are named, and nothing else",
        drift::drifts_are_named,
    ),
    ("what was cured stays cured", drift::cured),
    ("a dead host is named while the others go on", power::dead_host_is_named),
    ("a host that has power again is a node again", power::power_is_back),
    ("status shows a healthy fleet", health::fleet_is_healthy),
    (
        "metrics name each pod on a shared GPU, and the GPU once",
        pods::pods_on_a_shared_gpu,
    ),
    (
        "a run with another setting replaces the agents, and what they know stays",
        agents::another_setting_replaces_the_agents,
    ),
    (
        "an agent whose token has expired comes back by the next run",
        agents::expired_token_comes_back,
    ),
    (
        "an XID becomes a condition of its node and stands in its way",
        health::xid_becomes_a_condition,
    ),
    (
        "no new pod lands on a sick GPU, whatever the device plugin offers",
        pods::sick_gpu_gets_no_pod,
    ),
    (
        "NVIDIA's container runtime is configured as on any cluster, and bedplate's files stay as they are",
        toolkit::runtime_of_nvidia,
    ),
    (
        "the agent's pod stands by while the unit publishes, and publishes when the unit is stopped",
        daemonset::pod_stands_by_and_takes_over,
    ),
    (
        "Prometheus reads the agents' pods, which have all GPUs",
        scrape::prometheus_reads_the_pods,
    ),
    (
        "the unit publishes again when the DaemonSet is deleted",
        daemonset::unit_takes_over_again,
    ),
    ("a boot ends what an XID has begun", health::boot_clears_the_xid),
    ("the GPU takes pods again", pods::gpu_takes_pods_again),
    ("down removes everything", bootstrap::down),
];

fn live(cluster: &Cluster<'_>) {
    let _end = RemoveAtEnd;
    for (sentence, part) in LIFE {
        println!("--- {sentence}");
        let since = Instant::now();
        part(cluster);
        println!("--- {sentence}: {:.1} s", since.elapsed().as_secs_f32());
    }
}

/// Ends what this test has made, also when an assertion fails; `down` finds it on disk.
struct RemoveAtEnd;

impl Drop for RemoveAtEnd {
    fn drop(&mut self) {
        if let Ok(Some(left)) = Hosts::existing(NAME, &built::host_options()) {
            left.down().expect("the machines can be removed");
        }
    }
}

/// The test's folder: cluster files, the kubeconfig, kubectl.
struct Cluster<'a> {
    folder: &'a Path,
    example: String,
}

impl<'a> Cluster<'a> {
    fn new(folder: &'a Path) -> Self {
        let example = cluster_file::example(NAME, "10.78.0.");
        std::fs::write(folder.join("cluster.yaml"), &example).expect("the cluster file can be written");
        Self { folder, example }
    }

    /// `bedplate rehearse FLAG cluster.yaml`, which changes the machines' power as well: it starts those that are off.
    fn rehearse(&self, flag: &str) -> Report {
        Report::read(bedplate(
            self.folder,
            &["--output", "json", "rehearse", flag, "cluster.yaml"],
        ))
    }

    /// `bedplate up` on the same machines as on any others: with their addresses, their host keys and a key file.
    fn up(&self) -> Report {
        self.up_with("")
    }

    /// The same with these lines in the cluster file as well.
    fn up_with(&self, more: &str) -> Report {
        let plain = cluster_file::plain(&self.example, &hosts().access()) + more;
        std::fs::write(self.folder.join("plain.yaml"), plain).expect("the cluster file can be written");
        Report::read(bedplate(self.folder, &["--output", "json", "up", "plain.yaml"]))
    }

    /// The artifact directory's kubectl with the kubeconfig that the run wrote.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let kubectl = self.folder.join("kubectl");
        if !kubectl.exists() {
            let compressed = built::artifacts().join("programs/kubectl.zst");
            let ran = run(Command::new("zstd").arg("-dqo").arg(&kubectl).arg(compressed));
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&kubectl, executable).expect("kubectl can be made executable");
        }
        let Ran { code, stdout, stderr } = run(Command::new(kubectl)
            .args(["--kubeconfig", "kubeconfig", "--request-timeout=30s"])
            .args(arguments)
            .current_dir(self.folder));
        assert_eq!(code, Some(0), "kubectl {arguments:?}: {stderr}");
        stdout.trim().to_owned()
    }

    fn nodes(&self) -> String {
        let ready = "{range .items[*]}{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].status} {end}";
        self.kubectl(&["get", "nodes", "-o", &format!("jsonpath={ready}")])
    }
}

/// The machines. Holds their lock while it lives, so `bedplate rehearse` must not run meanwhile.
fn hosts() -> Hosts {
    Hosts::existing(NAME, &built::host_options())
        .expect("the rehearsal can be read")
        .expect("the machines are there")
}

/// Looks again until `look` has an answer, for a minute at the most.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let since = Instant::now();
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(last) => assert!(since.elapsed() < Duration::from_mins(1), "{what}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
