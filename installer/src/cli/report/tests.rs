//! What a run's table claims of hosts that it reached, and of none else.

use super::*;
use bedplate_protocol::Severity;

fn host(state: HostState, unchanged: usize, changed: &[&str]) -> HostReport {
    HostReport {
        name: "gpu-1".to_owned(),
        state,
        verdict: None,
        gpus: Vec::new(),
        findings: Vec::new(),
        unchanged,
        changed: changed
            .iter()
            .map(|path| (StepId::new("file", path), "it was not there".to_owned()))
            .collect(),
    }
}

fn report(hosts: Vec<HostReport>) -> Report {
    Report {
        cluster: "rack-1".to_owned(),
        hosts,
        cluster_changes: Vec::new(),
        gates: Vec::new(),
        findings: Vec::new(),
        seconds: 1.0,
        kubeconfig: None,
    }
}

#[test]
fn hosts_that_nobody_reached_have_not_held() {
    let lost = || host(HostState::LeftOut, 0, &[]);
    for hosts in [vec![lost()], vec![lost(), host(HostState::Fit, 0, &[])]] {
        let text = report(hosts).text();
        assert!(!text.contains("no change") && !text.contains("held"), "{text}");
    }
}

#[test]
fn only_hosts_whose_steps_were_looked_at_are_counted() {
    let hosts = || vec![host(HostState::Node, 40, &[]), host(HostState::LeftOut, 0, &[])];
    let without_cluster = report(hosts()).text();
    assert!(
        without_cluster.contains("no change: 40 steps on 1 hosts held already\n"),
        "{without_cluster}"
    );
    let mut whole = report(hosts());
    whole.kubeconfig = Some("kubeconfig".to_owned());
    let text = whole.text();
    assert!(
        text.contains("on 1 hosts held already, as does every object in the cluster\n"),
        "{text}"
    );
    whole.findings.push(Finding::new(
        Severity::Error,
        "cluster",
        "rack-1",
        "it broke off",
        "again",
    ));
    assert!(!whole.text().contains("every object"), "{}", whole.text());
}

#[test]
fn what_was_changed_on_a_host_that_failed_later_is_told() {
    let text = report(vec![host(HostState::LeftOut, 3, &["/a"])]).text();
    assert!(text.contains("gpu-1: changed file:/a (it was not there)"), "{text}");
}
