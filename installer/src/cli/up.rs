//! `bedplate up`: from bare machines to a Ready cluster that shares proven GPUs. Safe to run again.

mod bootstrap;
mod enrol;
mod kubeconfig;
mod prove;

pub(super) use kubeconfig::in_the_way;

use super::cluster_file::{self, Artifacts, Key, Loaded};
use super::report::{HostReport, HostState, Report, refuse};
use super::{Common, Output, block_on};
use crate::cluster::{ClusterError, causes};
use crate::config::{ClusterSpec, NodeSpec};
use crate::execute::StageReport;
use crate::execute::lane::{Lane, Stay, meet};
use crate::execute::stage::ArtifactFiles;
use crate::exit::Exit;
use crate::plan::Site;
use crate::progress::Progress;
use bedplate_protocol::artifacts::Index;
use bedplate_protocol::{Epoch, Finding, NodeFacts, Severity};
use bedplate_substrates::Machine;
use futures::future::join_all;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `bedplate up CLUSTER.yaml`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The cluster file.
    #[arg(value_name = "CLUSTER.yaml")]
    file: PathBuf,
    /// Take a host key that is not known yet, and record it in the known hosts file. A key that differs is always refused.
    #[arg(long)]
    trust_new_host_keys: bool,
}

/// Where the administrator's kubeconfig is put: in the folder in which bedplate runs.
const KUBECONFIG: &str = "kubeconfig";

/// Runs the verb.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let (loaded, artifacts) = match cluster_file::load_with_artifacts(&args.file, common, Key::Named) {
        Ok(read) => read,
        Err(findings) => return refuse(&findings, common.output),
    };
    if let Some(finding) = in_the_way(&loaded.spec) {
        return refuse(&[finding], common.output);
    }
    let machines = super::preflight::machines(&loaded.spec, args.trust_new_host_keys);
    match block_on(bring_up(loaded, &artifacts, machines, common.output)) {
        Ok(exit) => exit,
        Err(finding) => refuse(&[finding], common.output),
    }
}

/// Brings up the cluster of a loaded file on these machines, prints the report, and says how it ended. What `rehearse` runs
/// too, and everything it runs.
pub(crate) async fn bring_up(loaded: Loaded, artifacts: &Artifacts, machines: Vec<Machine>, output: Output) -> Exit {
    let progress = Progress::stderr(machines.iter().map(|machine| machine.name.as_str()));
    let run = Run {
        loaded: &loaded,
        index: &artifacts.index,
        files: &artifacts.files,
        progress: &progress,
        epoch: Epoch(now_seconds()),
    };
    let report = tokio::select! {
        report = run.whole(machines) => report,
        () = super::interrupt::wait() => {
            progress.line("cluster", "interrupted: a host that has begun its plan goes on with it; when it is through, `bedplate up` again goes on from there");
            return Exit::Interrupted;
        }
    };
    report.end(output)
}

fn now_seconds() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or(0)
}

/// One run over one cluster.
struct Run<'a> {
    loaded: &'a Loaded,
    index: &'a Index,
    files: &'a ArtifactFiles,
    progress: &'a Progress,
    epoch: Epoch,
}

/// A host on its way through the run.
struct Host<'a> {
    node: &'a NodeSpec,
    lane: Lane,
    findings: Vec<Finding>,
    stages: StageReport,
}

impl Run<'_> {
    async fn whole(&self, machines: Vec<Machine>) -> Report {
        let spec = &self.loaded.spec;
        let mut report = Report {
            cluster: spec.name.clone(),
            hosts: Vec::new(),
            cluster_changes: Vec::new(),
            gates: Vec::new(),
            findings: self.loaded.warnings.clone(),
            seconds: 0.0,
            kubeconfig: None,
        };
        let mut hosts = self.meet_all(spec, machines, &mut report).await;
        let facts: BTreeMap<String, NodeFacts> = hosts
            .iter()
            .map(|h| (h.node.name.clone(), h.lane.facts.clone()))
            .collect();
        let site = Site {
            spec,
            facts: &facts,
            index: self.index,
        };
        if let Some(founder) = hosts.iter().position(|host| spec.control_plane() == Some(host.node)) {
            hosts.swap(0, founder);
            if let Err(e) = self.cluster(&site, &mut hosts, &mut report).await {
                report.findings.push(cluster_finding(&spec.name, &e));
            }
        } else {
            let control_plane = spec
                .control_plane()
                .map_or("the control-plane node", |node| node.name.as_str());
            report.findings.push(Finding::new(
                Severity::Error,
                "no-control-plane",
                &spec.name,
                format!("{control_plane} was left out, so there is nothing that the other hosts could join"),
                format!("cure the findings of {control_plane}, then run the same command again"),
            ));
        }
        for host in hosts {
            let failed = !host.stages.failed.is_empty() || report.kubeconfig.is_none();
            report
                .hosts
                .push(host.into_report(if failed { HostState::LeftOut } else { HostState::Node }));
        }
        // In the file's order, whoever was fastest.
        let order = |name: &str| spec.nodes.iter().position(|node| node.name == name);
        report.hosts.sort_by_key(|host| order(&host.name));
        report.seconds = self.progress.elapsed().as_secs_f64();
        report
    }

    /// Meets all hosts at once and judges them; those that may go on come back, the others are in the report.
    async fn meet_all<'s>(&self, spec: &'s ClusterSpec, machines: Vec<Machine>, report: &mut Report) -> Vec<Host<'s>> {
        let meetings = machines.into_iter().filter_map(|machine| {
            let node = spec.nodes.iter().find(|node| node.name == machine.name)?;
            let expect = node.has_gpus().then(|| node.expect.clone());
            Some(async move {
                (
                    node,
                    meet(machine, &self.loaded.agent, Stay::Installed, expect, self.progress).await,
                )
            })
        });
        let mut fit = Vec::new();
        for (node, met) in join_all(meetings).await {
            match met {
                Ok(lane) => {
                    let findings = super::preflight::judge(spec, node, &lane);
                    let host = Host {
                        node,
                        lane,
                        findings,
                        stages: StageReport::default(),
                    };
                    if host.findings.iter().any(Finding::blocks) {
                        self.progress.line(&node.name, "left out, see its findings below");
                        report.hosts.push(host.into_report(HostState::LeftOut));
                    } else {
                        fit.push(host);
                    }
                }
                Err(finding) => {
                    self.progress.line(&node.name, &finding.to_string());
                    report.hosts.push(HostReport::lost(node, finding));
                }
            }
        }
        fit
    }
}

fn cluster_finding(name: &str, error: &ClusterError) -> Finding {
    let finding = Finding::new(
        Severity::Error,
        "cluster",
        name,
        error.to_string(),
        "look with `kubectl --kubeconfig ./kubeconfig get nodes,pods -A`, then run the same command again: it goes on from there",
    );
    causes(error).into_iter().skip(1).fold(finding, Finding::with_evidence)
}

impl Host<'_> {
    fn into_report(self, state: HostState) -> HostReport {
        let mut findings = self.findings;
        findings.extend(self.stages.failed);
        HostReport {
            name: self.node.name.clone(),
            state,
            gpus: super::preflight::gpu_lines(&self.lane.verdict),
            verdict: Some(self.lane.verdict),
            findings,
            unchanged: self.stages.unchanged,
            changed: self.stages.changed,
        }
    }
}
