//! One cluster of three simulated machines, made once, and everything that is true of it, in the order in which a person
//! would live through it. Needs root and what `tests/tools/prepare` makes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "parts of one test stand outside #[test]"
)]

use bedplate_substrates::simulated::census::Census;
use bedplate_substrates::simulated::{Hosts, Spec};
use bedplate_tests::built::{self, Ran, bedplate, run};
use bedplate_tests::cluster_file;
use bedplate_tests::footprint::Footprint;
use bedplate_tests::report::{Report, text};
use serde_json::json;
use std::net::Ipv4Addr;
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
    ("preflight changes nothing on fresh hosts", preflight_changes_nothing),
    ("preflight names a lost GPU", preflight_names_a_lost_gpu),
    (
        "a host whose GPU is lost never becomes a node, the others do",
        lost_gpu_is_left_out,
    ),
    ("a healed host joins, the others are not touched", healed_host_joins),
    ("the kubeconfig is private and works", kubeconfig_works),
    ("a second run changes nothing", no_change),
    ("four changes by hand are named, and nothing else", drifts_are_named),
    ("what was cured stays cured", cured),
    ("a dead host is named while the others go on", dead_host_is_named),
    ("a host that has power again is a node again", power_is_back),
    ("status shows a healthy fleet", fleet_is_healthy),
    (
        "metrics name each pod on a shared GPU, and the GPU once",
        pods_on_a_shared_gpu,
    ),
    (
        "an XID becomes a condition of its node and stands in its way",
        xid_becomes_a_condition,
    ),
    ("down removes everything", down),
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
        let plain = cluster_file::plain(&self.example, &hosts().access());
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

fn set_lost(host: &str, lost: bool) {
    let hosts = hosts();
    let mut scenario = hosts.scenario(host).expect("the host has a scenario");
    scenario.gpus[0].lost = lost;
    hosts
        .set_scenario(host, &scenario)
        .expect("the scenario can be written");
}

fn preflight_changes_nothing(cluster: &Cluster<'_>) {
    let gpus = json!({"gpus": {
        "gpu-1": {"profile": "h100-80gb-hbm3", "count": 2},
        "gpu-2": {"profile": "h100-80gb-hbm3", "count": 1},
        "gpu-3": {"profile": "rtx-4000-sff-ada", "count": 1},
    }});
    let nodes: Vec<(String, Ipv4Addr)> = HOSTS
        .iter()
        .zip([11, 12, 13])
        .map(|(name, last)| ((*name).to_owned(), Ipv4Addr::new(10, 78, 0, last)))
        .collect();
    let spec = Spec::read(Some(&gpus)).expect("the section is good");
    let made =
        Hosts::prepare(NAME, &spec, &nodes, &built::host_options()).unwrap_or_else(|findings| panic!("{findings:#?}"));
    made.up(|line| println!("    {line}")).expect("the machines start");
    for host in HOSTS {
        let state = made.ssh(host, "systemctl is-system-running --wait");
        assert_eq!(state.expect("it has booted").trim(), "running", "{host}");
    }
    // The first login leaves what every login leaves; readings are compared after it.
    let footprints = |hosts: &Hosts| HOSTS.map(|host| Footprint::read(hosts, NAME, host));
    footprints(&made);
    let before = footprints(&made);
    drop(made);
    let report = cluster.rehearse("--preflight").ended(0);
    assert_eq!(
        report.states(),
        ["gpu-1 fit", "gpu-2 fit", "gpu-3 fit"],
        "{:#}",
        report.json
    );
    let after = footprints(&hosts());
    for ((host, before), after) in HOSTS.iter().zip(&before).zip(&after) {
        assert_eq!(after.differences(before), Vec::<String>::new(), "{host}");
    }
}

fn preflight_names_a_lost_gpu(cluster: &Cluster<'_>) {
    set_lost("gpu-3", true);
    let report = cluster.rehearse("--preflight").ended(3);
    assert_eq!(report.states(), ["gpu-1 fit", "gpu-2 fit", "gpu-3 left-out"]);
    assert_lost(&report);
}

fn assert_lost(report: &Report) {
    assert!(
        report.open_findings("gpu-3").contains(&"gpu-lost"),
        "{:#}",
        report.host("gpu-3")
    );
    assert_eq!(report.host("gpu-3")["verdict"]["health"], "problem");
    for host in ["gpu-1", "gpu-2"] {
        assert_eq!(report.open_findings(host), Vec::<&str>::new(), "{host}");
    }
}

fn lost_gpu_is_left_out(cluster: &Cluster<'_>) {
    let report = cluster.rehearse("--keep").ended(3);
    assert_eq!(report.states(), ["gpu-1 node", "gpu-2 node", "gpu-3 left-out"]);
    assert_lost(&report);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    assert_eq!(cluster.nodes(), "gpu-1 True gpu-2 True");
}

fn healed_host_joins(cluster: &Cluster<'_>) {
    set_lost("gpu-3", false);
    let report = cluster.rehearse("--keep").ended(0);
    assert_eq!(report.states(), ["gpu-1 node", "gpu-2 node", "gpu-3 node"]);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    // The workstation card has the driver's own default, which is worth a warning.
    let expected = [(2, &[][..]), (1, &[]), (1, &["persistence-off"])];
    for (host, (gpus, findings)) in HOSTS.iter().zip(expected) {
        let verdict = &report.host(host)["verdict"];
        assert_eq!(verdict["health"], "healthy", "{host}: {verdict:#}");
        assert_eq!(verdict["gpus"].as_array().expect("a list").len(), gpus, "{host}");
        assert_eq!(report.open_findings(host), findings, "{host}");
    }
    let changes = report.changes();
    let others: Vec<&String> = changes.iter().filter(|change| !change.contains("gpu-3")).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(
        changes.iter().any(|change| change.starts_with("gpu-3 kubeadm-join:")),
        "{changes:?}"
    );
}

fn kubeconfig_works(cluster: &Cluster<'_>) {
    let there = std::fs::metadata(cluster.folder.join("kubeconfig")).expect("the run wrote it");
    assert_eq!(there.permissions().mode() & 0o777, 0o600);
    assert_eq!(cluster.nodes(), "gpu-1 True gpu-2 True gpu-3 True");
    // Two GPUs and one and one, four pods each.
    let offered = "{range .items[*]}{.status.allocatable.nvidia\\.com/gpu} {end}";
    assert_eq!(
        cluster.kubectl(&["get", "nodes", "-o", &format!("jsonpath={offered}")]),
        "8 4 4"
    );
}

fn no_change(cluster: &Cluster<'_>) {
    let report = cluster.rehearse("--keep").ended(0);
    assert_eq!(report.changes(), Vec::<String>::new(), "{:#}", report.json);
    for host in HOSTS {
        assert!(
            report.host(host)["unchanged"].as_u64() > Some(10),
            "{host} was inspected"
        );
    }
}

/// `bedplate status`, and that it ends with this code.
fn status(cluster: &Cluster<'_>, code: i32) -> serde_json::Value {
    let ran = bedplate(cluster.folder, &["--output", "json", "status"]);
    assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).expect("one JSON document")
}

fn fleet_is_healthy(cluster: &Cluster<'_>) {
    let fleet = status(cluster, 0);
    let nodes = fleet["nodes"].as_array().expect("a list");
    let seen: Vec<(&str, &str, usize)> = nodes
        .iter()
        .map(|node| {
            let gpus = node["gpus"].as_array().expect("a list");
            assert!(gpus.iter().all(|gpu| gpu["health"] == "healthy"), "{node:#}");
            (text(&node["name"]), text(&node["agent"]["state"]), gpus.len())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("gpu-1", "reports", 2),
            ("gpu-2", "reports", 1),
            ("gpu-3", "reports", 1)
        ],
        "{fleet:#}"
    );
    let ran = bedplate(cluster.folder, &["status"]);
    println!("{}", ran.stdout);
    assert!(ran.stdout.starts_with("NODE"), "{}", ran.stdout);
}

/// What a node's agent exports, asked on the node itself.
fn metrics(host: &str) -> String {
    let request = "exec 3<>/dev/tcp/127.0.0.1/9479 && printf 'GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && cat <&3";
    let answer = hosts().ssh(host, &format!("bash -c \"{request}\""));
    answer.expect("the agent answers")
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

fn pods_on_a_shared_gpu(cluster: &Cluster<'_>) {
    let image = built::image("docker.io/library/busybox:");
    let names = ["share-a", "share-b"];
    for name in names {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
            "nodeSelector": {"kubernetes.io/hostname": "gpu-2"}, "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "work", "image": image, "command": ["sleep", "3600"],
                "resources": {"limits": {"nvidia.com/gpu": 1}}}]}});
        let file = cluster.folder.join(format!("{name}.json"));
        std::fs::write(&file, pod.to_string()).expect("the pod can be written");
        cluster.kubectl(&["apply", "-f", file.to_str().expect("a plain path")]);
    }
    cluster.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "pod/share-a",
        "pod/share-b",
        "--timeout=60s",
    ]);
    let of_pods = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("bedplate_gpu_pod_info{"));
        lines
            .filter(|line| line.contains("share-"))
            .map(str::to_owned)
            .collect()
    };
    let (text, pods) = eventually("two pods in the metrics", || {
        let text = metrics("gpu-2");
        let pods = of_pods(&text);
        if pods.len() == 2 {
            Ok((text, pods))
        } else {
            Err(format!("{pods:#?}"))
        }
    });
    println!("{}", pods.join("\n"));
    let label = |line: &str, name: &str| -> String {
        let (_, rest) = line.split_once(&format!("{name}=\"")).expect("the label");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    assert_eq!(label(&pods[0], "UUID"), label(&pods[1], "UUID"), "{pods:#?}");
    assert_ne!(label(&pods[0], "replica"), label(&pods[1], "replica"), "{pods:#?}");
    assert_ne!(label(&pods[0], "pod"), label(&pods[1], "pod"), "{pods:#?}");
    let powers = text
        .lines()
        .filter(|line| line.starts_with("bedplate_gpu_power_usage_watts{"));
    assert_eq!(powers.count(), 1, "one GPU, one value, however many pods it has");
    cluster.kubectl(&["delete", "pod", "share-a", "share-b", "--now"]);
    eventually("pods that are gone are in no series", || {
        let pods = of_pods(&metrics("gpu-2"));
        if pods.is_empty() {
            Ok(())
        } else {
            Err(format!("{pods:#?}"))
        }
    });
}

/// Status, reason and message of a node's condition.
fn condition(cluster: &Cluster<'_>, node: &str, kind: &str) -> (String, String, String) {
    let one = |field: &str| {
        let path = format!("jsonpath={{.status.conditions[?(@.type==\"{kind}\")].{field}}}");
        cluster.kubectl(&["get", "node", node, "-o", &path])
    };
    (one("status"), one("reason"), one("message"))
}

fn xid_becomes_a_condition(cluster: &Cluster<'_>) {
    assert_eq!(condition(cluster, "gpu-3", "GPUXidProblem").0, "False");
    let address = hosts().scenario("gpu-3").expect("the host has a scenario").gpus[0].pci_address;
    // A container that writes the same words is not believed: what is written to the log is never of facility kern.
    let forged = format!("echo 'NVRM: Xid (PCI:{address}): 79, forged' > /dev/kmsg");
    hosts()
        .ssh("gpu-3", &forged)
        .expect("anybody who is root may write to the log");
    let line = format!(
        "<3>NVRM: Xid (PCI:{address}): 119, pid=4711, name=work, Timeout after 6s of waiting for RPC response from GPU0 GSP!"
    );
    let since = Instant::now();
    hosts()
        .kernel_log("gpu-3", &line)
        .expect("the kernel can be made to say it");
    let (reason, message) = eventually("the XID in a condition", || {
        match condition(cluster, "gpu-3", "GPUXidProblem") {
            (status, reason, message) if status == "True" => Ok((reason, message)),
            other => Err(format!("{other:?}")),
        }
    });
    println!(
        "    from the kernel's record to a condition that kubectl reads: {:.1} s: {reason}: {message}",
        since.elapsed().as_secs_f32()
    );
    assert!(message.contains("119") && !message.contains("79"), "{message}");
    let fleet = status(cluster, 1);
    let told = fleet["findings"].to_string();
    assert!(told.contains("gpu-xid-problem") && told.contains("gpu-3"), "{told}");
}

/// The name of the object, and the key of its data, in which the plugin's settings are.
const CONFIG_MAP: &str = "nvidia-device-plugin";
const CONFIG_KEY: &str = "time-slicing.yaml";

fn drifts_are_named(cluster: &Cluster<'_>) {
    let machines = hosts();
    let on = |host: &str, line: &str| machines.ssh(host, line).expect("the change by hand");
    on(
        "gpu-2",
        "f=/etc/sysctl.d/90-bedplate-net.ipv4.ip_forward.conf; test -f $f && echo net.ipv4.ip_forward=0 > $f",
    );
    on(
        "gpu-3",
        "f=/etc/systemd/system/containerd.service; test -f $f && echo '# by hand' >> $f",
    );
    drop(machines);
    cluster.kubectl(&["label", "node", "gpu-2", "nvidia.com/gpu.present-"]);
    let settings = cluster.kubectl(&["-n", "kube-system", "get", "configmap", CONFIG_MAP, "-o", "json"]);
    let settings: serde_json::Value = serde_json::from_str(&settings).expect("kubectl writes JSON");
    // The same settings for the plugin, and not the same text.
    let patch =
        json!({"data": {CONFIG_KEY: format!("{}\n# by hand\n", text(&settings["data"][CONFIG_KEY]))}}).to_string();
    cluster.kubectl(&[
        "-n",
        "kube-system",
        "patch",
        "configmap",
        CONFIG_MAP,
        "--type=merge",
        "-p",
        &patch,
    ]);

    // A field that somebody else has taken is an error by name, never taken back by force.
    let report = cluster.rehearse("--keep").ended(1);
    let changes = report.changes();
    let expected = [
        "gpu-2 sysctl:net.ipv4.ip_forward",
        "gpu-3 unit:containerd.service",
        "Node gpu-2 changed: metadata.labels.nvidia.com/gpu.present",
        "ConfigMap kube-system/nvidia-device-plugin not changed: ",
    ];
    assert_eq!(changes.len(), expected.len(), "{changes:#?}");
    for (change, expected) in changes.iter().zip(expected) {
        assert!(change.starts_with(expected), "{expected:?} in {changes:#?}");
    }
    let conflict = &report.json["findings"][0];
    assert_eq!(conflict["code"], "field-conflict", "{:#}", report.json["findings"]);
    assert!(
        conflict["evidence"].to_string().contains("kubectl-patch"),
        "{conflict:#}"
    );
}

fn cured(cluster: &Cluster<'_>) {
    // The cure that the finding names.
    cluster.kubectl(&["-n", "kube-system", "delete", "configmap", CONFIG_MAP]);
    let report = cluster.rehearse("--keep").ended(0);
    assert_eq!(report.changes(), ["ConfigMap kube-system/nvidia-device-plugin created"]);
    no_change(cluster);
}

fn dead_host_is_named(cluster: &Cluster<'_>) {
    hosts().power_off("gpu-3").expect("its power can be cut");
    let report = cluster.up().ended(3);
    assert_eq!(report.states(), ["gpu-1 node", "gpu-2 node", "gpu-3 left-out"]);
    assert_eq!(report.open_findings("gpu-3"), ["host-unreachable"]);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    assert_eq!(report.changes(), Vec::<String>::new());
}

fn power_is_back(cluster: &Cluster<'_>) {
    hosts().power_on("gpu-3").expect("it starts");
    let report = cluster.up().ended(0);
    assert_eq!(report.states(), ["gpu-1 node", "gpu-2 node", "gpu-3 node"]);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    assert_eq!(cluster.nodes(), "gpu-1 True gpu-2 True gpu-3 True");
}

fn down(cluster: &Cluster<'_>) {
    let ran = bedplate(cluster.folder, &["rehearse", "--down", "cluster.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        Hosts::existing(NAME, &built::host_options())
            .expect("readable")
            .is_none()
    );
}
