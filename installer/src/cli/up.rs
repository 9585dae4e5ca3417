//! `bedplate up`: from bare machines to a Ready cluster that shares proven GPUs. Safe to run again.

use super::cluster_file::{self, Artifacts, Key, Loaded};
use super::report::{HostReport, HostState, Report, refuse};
use super::{Common, Output, block_on};
use crate::capabilities::{self, Gate, GateResult, gpu, network};
use crate::cluster::{self, ClusterError, join::JoinToken, nodes};
use crate::config::{ClusterSpec, NodeSpec};
use crate::execute::StageReport;
use crate::execute::lane::{Lane, Stay, meet};
use crate::execute::stage::{ArtifactFiles, carry_out};
use crate::exit::Exit;
use crate::plan::{self, RunHeader, Site};
use crate::progress::Progress;
use bedplate_protocol::artifacts::Index;
use bedplate_protocol::message::Values;
use bedplate_protocol::{Epoch, Finding, Mode, NodeFacts, NodePlan, RunId, SecretString, Severity};
use bedplate_substrates::Machine;
use futures::future::join_all;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// Three nodes were seen Ready 2 s after flannel's apply; slow disks are the rest.
const READY_LIMIT: Duration = Duration::from_mins(3);
/// Where the administrator's kubeconfig is put.
const KUBECONFIG: &str = "kubeconfig";

/// Runs the verb.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let (loaded, artifacts) = match cluster_file::load_with_artifacts(&args.file, common, Key::Named) {
        Ok(read) => read,
        Err(findings) => return refuse(&findings, common.output),
    };
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
    report.print(output);
    report.exit()
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

    /// Everything after the hosts were judged. `hosts[0]` is the founder.
    async fn cluster(&self, site: &Site<'_>, hosts: &mut [Host<'_>], report: &mut Report) -> Result<(), ClusterError> {
        let (founder, joiners) = hosts.split_at_mut(1);
        let founder = &mut founder[0];
        let prepare = join_all(joiners.iter_mut().map(|host| async {
            let plan = self
                .header("prepare")
                .and_then(|header| plan::prepare(site, host.node, &header).map_err(plan_finding(host.node)));
            self.stage(host, plan, None).await;
        }));
        let found = async {
            let plan = self
                .header("found")
                .and_then(|header| plan::founder(site, founder.node, &header).map_err(plan_finding(founder.node)));
            self.stage(founder, plan, None).await;
        };
        tokio::join!(prepare, found);
        if !founder.stages.failed.is_empty() {
            return Ok(());
        }
        let kubeconfig = founder
            .lane
            .session
            .admin_kubeconfig()
            .await
            .map_err(|e| ClusterError::Kubeconfig(e.to_string()))?;
        cluster::write_kubeconfig(Path::new(KUBECONFIG), &kubeconfig)?;
        report.kubeconfig = Some(KUBECONFIG.to_owned());
        let client = cluster::client(&kubeconfig).await?;
        let network = network::install(&client, &site.spec.kubernetes.pod_subnet.to_string()).await?;
        Self::note_applied(&network, report);
        let result = self.join(site, joiners, &client, &kubeconfig).await;
        result?;
        self.prove(site.spec, hosts, &client, report).await
    }

    async fn join(
        &self,
        site: &Site<'_>,
        joiners: &mut [Host<'_>],
        client: &kube::Client,
        kubeconfig: &SecretString,
    ) -> Result<(), ClusterError> {
        if joiners.iter().all(|host| !host.stages.failed.is_empty()) {
            return Ok(());
        }
        let ca_hash = cluster::join::ca_hash(kubeconfig)?;
        let token = JoinToken::create(client).await?;
        token.signed(client, &self.progress.waits("cluster")).await?;
        join_all(
            joiners
                .iter_mut()
                .filter(|host| host.stages.failed.is_empty())
                .map(|host| async {
                    let planned = self
                        .header("join")
                        .and_then(|header| plan::join(site, host.node, &header).map_err(plan_finding(host.node)));
                    let values = planned.as_ref().ok().map(|plan| Values {
                        run: plan.run.clone(),
                        values: BTreeMap::from([
                            (plan::JOIN_TOKEN.to_owned(), token.token.clone()),
                            (plan::CA_HASH.to_owned(), SecretString::new(ca_hash.clone())),
                        ]),
                    });
                    self.stage(host, planned, values).await;
                }),
        )
        .await;
        token.revoke(client).await
    }

    /// Waits for the nodes, shares their GPUs, and exercises what was built.
    async fn prove(
        &self,
        spec: &ClusterSpec,
        hosts: &[Host<'_>],
        client: &kube::Client,
        report: &mut Report,
    ) -> Result<(), ClusterError> {
        let joined: Vec<&Host<'_>> = hosts.iter().filter(|host| host.stages.failed.is_empty()).collect();
        let boot_ids = joined
            .iter()
            .map(|host| (host.node.name.clone(), host.lane.hello.boot_id.clone()))
            .collect();
        let tell = self.progress.waits("cluster");
        nodes::all_ready(client, &boot_ids, READY_LIMIT, &tell).await?;
        self.progress.line("cluster", &format!("{} nodes Ready", joined.len()));
        let with_gpus: Vec<&&Host<'_>> = joined
            .iter()
            .filter(|host| !host.lane.facts.nvml.gpus.is_empty())
            .collect();
        if let Some(sharing) = spec.gpu.time_slicing.as_ref().filter(|_| !with_gpus.is_empty()) {
            let names: Vec<String> = with_gpus.iter().map(|host| host.node.name.clone()).collect();
            Self::note_applied(&gpu::label(client, &names).await?, report);
            Self::note_applied(&gpu::install(client, sharing.replicas).await?, report);
            let counts = with_gpus
                .iter()
                .map(|host| (host.node.name.clone(), gpu_count(&host.lane.facts)))
                .collect();
            let gate = gpu::prove_allocatable(client, &counts, sharing.replicas, &tell).await?;
            let offered = matches!(gate.result, GateResult::Passed { .. });
            self.gate(gate, report);
            if let Some(host) = with_gpus.first().filter(|_| offered && sharing.replicas > 1) {
                let gate = match self.image("ghcr.io/bedplate/bedplate-agent:") {
                    Some(image) => gpu::prove_sharing(client, &host.node.name, &host.lane.facts, &image, &tell).await?,
                    None => gpu::sharing_unproven(
                        "the artifact directory has no image ghcr.io/bedplate/bedplate-agent; `tests/tools/build --agent` adds it",
                    ),
                };
                self.gate(gate, report);
            }
        }
        let gate = match (
            &joined[..],
            self.image("docker.io/library/busybox:"),
            self.image("docker.io/curlimages/curl:"),
        ) {
            ([first, .., last], Some(server), Some(curl)) => {
                let images = network::Images { server, client: curl };
                network::prove(client, &last.node.name, &first.node.name, &images, &tell).await?
            }
            ([_] | [], ..) => network::unproven("a single node has no other to answer"),
            _ => network::unproven("the artifact directory has no busybox or curl image"),
        };
        self.gate(gate, report);
        Ok(())
    }

    async fn stage(&self, host: &mut Host<'_>, plan: Result<NodePlan, Finding>, values: Option<Values>) {
        let report = match plan {
            Ok(plan) => {
                carry_out(
                    &mut host.lane,
                    &plan,
                    values,
                    self.files,
                    &self.loaded.agent,
                    self.progress,
                )
                .await
            }
            Err(finding) => StageReport {
                failed: vec![finding],
                ..StageReport::default()
            },
        };
        host.stages.extend(report);
    }

    /// A run id of its own for each stage, so that a host's journal of one is never read as that of another.
    fn header(&self, stage: &str) -> Result<RunHeader, Finding> {
        let run = RunId::new(format!("{}-{stage}", self.epoch)).map_err(|e| {
            Finding::new(
                Severity::Error,
                "run-id",
                stage,
                e.to_string(),
                "set this machine's clock: `timedatectl set-ntp true`",
            )
        })?;
        Ok(RunHeader {
            run,
            epoch: self.epoch,
            mode: Mode::Change,
        })
    }

    /// The first image of the index whose reference begins like this.
    fn image(&self, beginning: &str) -> Option<String> {
        self.index
            .images
            .iter()
            .find(|image| image.name.starts_with(beginning))
            .map(|image| image.name.clone())
    }

    fn note_applied(applied: &[cluster::apply::AppliedObject], report: &mut Report) {
        report.cluster_changes.extend(capabilities::changes(applied));
        report.findings.extend(capabilities::conflicts(applied));
    }

    fn gate(&self, gate: Gate, report: &mut Report) {
        let how = match &gate.result {
            GateResult::Passed { .. } => "passed",
            GateResult::Failed { .. } => "failed",
            GateResult::Unproven { .. } => "unproven",
        };
        self.progress
            .line("cluster", &format!("gate {} {how}: {}", gate.name, gate.proves));
        report.gates.push(gate);
    }
}

fn gpu_count(facts: &NodeFacts) -> u32 {
    u32::try_from(facts.nvml.gpus.len()).unwrap_or(u32::MAX)
}

fn plan_finding(node: &NodeSpec) -> impl FnOnce(plan::PlanError) -> Finding {
    let name = node.name.clone();
    move |e| {
        Finding::new(
            Severity::Error,
            "no-plan",
            name,
            e.to_string(),
            "tests/tools/build makes a whole artifact directory",
        )
    }
}

fn cluster_finding(name: &str, error: &ClusterError) -> Finding {
    let mut finding = Finding::new(
        Severity::Error,
        "cluster",
        name,
        error.to_string(),
        "look with `kubectl --kubeconfig ./kubeconfig get nodes,pods -A`, then run the same command again: it goes on from there",
    );
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        finding = finding.with_evidence(cause.to_string());
        source = cause.source();
    }
    finding
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
