//! From bare machines to a cluster of three: what is looked at, who is left out, who joins later, and that a second run changes
//! nothing. Parts of the life in `main.rs`.

use super::{Cluster, GATES, HOSTS, NAME, hosts};
use bedplate_substrates::simulated::{Hosts, Spec};
use bedplate_tests::built::{self, bedplate};
use bedplate_tests::footprint::Footprint;
use bedplate_tests::report::Report;
use serde_json::json;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;

fn set_lost(host: &str, lost: bool) {
    let hosts = hosts();
    let mut scenario = hosts.scenario(host).expect("the host has a scenario");
    scenario.gpus[0].lost = lost;
    hosts
        .set_scenario(host, &scenario)
        .expect("the scenario can be written");
}

pub(super) fn preflight_changes_nothing(cluster: &Cluster<'_>) {
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

pub(super) fn preflight_names_a_lost_gpu(cluster: &Cluster<'_>) {
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

pub(super) fn lost_gpu_is_left_out(cluster: &Cluster<'_>) {
    let report = cluster.rehearse("--keep").ended(3);
    assert_eq!(report.states(), ["gpu-1 node", "gpu-2 node", "gpu-3 left-out"]);
    assert_lost(&report);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    assert_eq!(cluster.nodes(), "gpu-1 True gpu-2 True");
}

pub(super) fn healed_host_joins(cluster: &Cluster<'_>) {
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

pub(super) fn kubeconfig_works(cluster: &Cluster<'_>) {
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

pub(super) fn no_change(cluster: &Cluster<'_>) {
    let report = cluster.rehearse("--keep").ended(0);
    assert_eq!(report.changes(), Vec::<String>::new(), "{:#}", report.json);
    for host in HOSTS {
        assert!(
            report.host(host)["unchanged"].as_u64() > Some(10),
            "{host} was inspected"
        );
    }
}

pub(super) fn down(cluster: &Cluster<'_>) {
    let ran = bedplate(cluster.folder, &["rehearse", "--down", "cluster.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        Hosts::existing(NAME, &built::host_options())
            .expect("readable")
            .is_none()
    );
}
