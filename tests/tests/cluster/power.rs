//! A machine without power, and one that has it again. Parts of the life in `main.rs`.

use super::{Cluster, GATES, hosts};

pub(super) fn dead_host_is_named(cluster: &Cluster<'_>) {
    hosts().power_off("gpu-3").expect("its power can be cut");
    let report = cluster.up().ended(3);
    assert_eq!(report.states(), ["gpu-1 node", "gpu-2 node", "gpu-3 left-out"]);
    assert_eq!(report.open_findings("gpu-3"), ["host-unreachable"]);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    assert_eq!(report.changes(), Vec::<String>::new());
}

pub(super) fn power_is_back(cluster: &Cluster<'_>) {
    hosts().power_on("gpu-3").expect("it starts");
    let report = cluster.up().ended(0);
    assert_eq!(report.states(), ["gpu-1 node", "gpu-2 node", "gpu-3 node"]);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    assert_eq!(cluster.nodes(), "gpu-1 True gpu-2 True gpu-3 True");
}
