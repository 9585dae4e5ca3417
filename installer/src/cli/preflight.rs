//! `bedplate preflight`: facts and judgements of every machine; changes nothing and leaves nothing behind.

use super::cluster_file::{self, Key, Loaded};
use super::report::{HostReport, HostState, Report, refuse};
use super::{Common, Output, block_on};
use crate::config::{ClusterSpec, NodeSpec};
use crate::execute::lane::{Lane, Stay, meet};
use crate::exit::Exit;
use crate::preflight;
use crate::progress::Progress;
use bedplate_protocol::{Finding, Health, Verdict};
use bedplate_ssh::{HostKeyTrust, Target};
use bedplate_substrates::Machine;
use futures::future::join_all;
use std::path::PathBuf;

/// `bedplate preflight CLUSTER.yaml`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The cluster file.
    #[arg(value_name = "CLUSTER.yaml")]
    file: PathBuf,
    /// Take a host key that is not known yet, and record it in the known hosts file. A key that differs is always refused.
    #[arg(long)]
    trust_new_host_keys: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let loaded = match cluster_file::load(&args.file, common, Key::Named) {
        Ok(loaded) => loaded,
        Err(findings) => return refuse(&findings, common.output),
    };
    let machines = machines(&loaded.spec, args.trust_new_host_keys);
    match block_on(look(&loaded, machines, common.output)) {
        Ok(exit) => exit,
        Err(finding) => refuse(&[finding], common.output),
    }
}

/// Looks at these machines, prints the report, and says how it ended.
pub(crate) async fn look(loaded: &Loaded, machines: Vec<Machine>, output: Output) -> Exit {
    tokio::select! {
        report = whole(loaded, machines) => report.end(output),
        () = super::interrupt::wait() => Exit::Interrupted,
    }
}

async fn whole(loaded: &Loaded, machines: Vec<Machine>) -> Report {
    let spec = &loaded.spec;
    let progress = Progress::stderr(machines.iter().map(|machine| machine.name.as_str()));
    let meetings = machines.into_iter().filter_map(|machine| {
        let node = spec.nodes.iter().find(|node| node.name == machine.name)?;
        let expect = node.has_gpus().then(|| node.expect.clone());
        let progress = &progress;
        Some(async move {
            match meet(machine, &loaded.agent, Stay::Lent, expect, progress).await {
                Ok(lane) => {
                    let findings = judge(spec, node, &lane);
                    let state = if findings.iter().any(Finding::blocks) {
                        HostState::LeftOut
                    } else {
                        HostState::Fit
                    };
                    HostReport {
                        name: node.name.clone(),
                        state,
                        gpus: gpu_lines(&lane.verdict),
                        verdict: Some(lane.verdict),
                        findings,
                        unchanged: 0,
                        changed: Vec::new(),
                    }
                }
                Err(finding) => HostReport::lost(node, finding),
            }
        })
    });
    let hosts = join_all(meetings).await;
    Report {
        cluster: spec.name.clone(),
        hosts,
        cluster_changes: Vec::new(),
        gates: Vec::new(),
        findings: loaded.warnings.clone(),
        seconds: progress.elapsed().as_secs_f64(),
        kubeconfig: None,
    }
}

/// The config's own machines, reached as it says.
pub(crate) fn machines(spec: &ClusterSpec, trust_new_host_keys: bool) -> Vec<Machine> {
    spec.nodes
        .iter()
        .map(|node| {
            let known_hosts = spec.ssh.known_hosts.clone();
            let trust = match &node.host_key {
                Some(key) => HostKeyTrust::Known(vec![key.clone()]),
                None if trust_new_host_keys => HostKeyTrust::TrustNew { known_hosts },
                None => HostKeyTrust::KnownHosts(known_hosts),
            };
            Machine {
                name: node.name.clone(),
                target: Target {
                    name: node.name.clone(),
                    address: node.address.to_string(),
                    port: spec.ssh.port,
                    user: spec.ssh.user.clone(),
                    key: spec.files.key.path.clone(),
                    trust,
                },
            }
        })
        .collect()
}

/// Everything that is to be said of a host: the checks of the config against its facts, and the agent's verdict of its GPUs,
/// with what the config accepts marked.
pub(crate) fn judge(spec: &ClusterSpec, node: &NodeSpec, lane: &Lane) -> Vec<Finding> {
    let mut findings = preflight::judge(spec, node, &lane.facts, Some(lane.clock_offset));
    for mut finding in lane.verdict.findings.iter().cloned() {
        // Both rooms look at PCI and the library; what preflight has said already is not said twice.
        if findings.iter().any(|said| said.code == finding.code) {
            continue;
        }
        finding.accepted = spec.accepts(&finding.code).map(str::to_owned);
        if finding.subject != node.name {
            finding.subject = format!("{}/{}", node.name, finding.subject);
        }
        findings.push(finding);
    }
    findings
}

/// One line a GPU: what it is and how it is.
pub(crate) fn gpu_lines(verdict: &Verdict) -> Vec<String> {
    verdict
        .gpus
        .iter()
        .map(|gpu| {
            let health = match gpu.health {
                Health::Healthy => "healthy",
                Health::Unknown => "unknown",
                Health::Problem => "problem",
            };
            format!(
                "{} {} {health}",
                gpu.name.as_deref().unwrap_or("(no name)"),
                gpu.uuid.as_deref().unwrap_or("(no UUID)")
            )
        })
        .collect()
}

impl HostReport {
    /// A host that could not be met.
    pub(crate) fn lost(node: &NodeSpec, finding: Finding) -> Self {
        Self {
            name: node.name.clone(),
            state: HostState::LeftOut,
            verdict: None,
            gpus: Vec::new(),
            findings: vec![finding],
            unchanged: 0,
            changed: Vec::new(),
        }
    }
}
