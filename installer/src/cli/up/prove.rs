//! Gates: what was built is exercised, and only then reported as working. Called by [`super::bootstrap`] only.

use super::{Host, Run};
use crate::capabilities::{self, Gate, GateResult, gpu, network};
use crate::cli::report::Report;
use crate::cluster::{self, ClusterError, nodes};
use crate::config::ClusterSpec;
use bedplate_protocol::NodeFacts;
use std::time::Duration;

/// Three nodes were seen Ready 2 s after flannel's apply; slow disks are the rest.
const READY_LIMIT: Duration = Duration::from_mins(3);

impl Run<'_> {
    /// Waits for the nodes.
    pub(super) async fn ready(&self, hosts: &[Host<'_>], client: &kube::Client) -> Result<(), ClusterError> {
        let joined: Vec<&Host<'_>> = hosts.iter().filter(|host| host.stages.failed.is_empty()).collect();
        let boot_ids = joined
            .iter()
            .map(|host| (host.node.name.clone(), host.lane.hello.boot_id.clone()))
            .collect();
        nodes::all_ready(client, &boot_ids, READY_LIMIT, &self.progress.waits("cluster")).await?;
        self.progress.line("cluster", &format!("{} nodes Ready", joined.len()));
        Ok(())
    }

    /// Shares the nodes' GPUs, and exercises what was built.
    pub(super) async fn prove(
        &self,
        spec: &ClusterSpec,
        hosts: &[Host<'_>],
        client: &kube::Client,
        report: &mut Report,
    ) -> Result<(), ClusterError> {
        let joined: Vec<&Host<'_>> = hosts.iter().filter(|host| host.stages.failed.is_empty()).collect();
        let tell = self.progress.waits("cluster");
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

    /// The first image of the index whose reference begins like this.
    fn image(&self, beginning: &str) -> Option<String> {
        self.index
            .images
            .iter()
            .find(|image| image.name.starts_with(beginning))
            .map(|image| image.name.clone())
    }

    pub(super) fn note_applied(applied: &[cluster::apply::AppliedObject], report: &mut Report) {
        report.cluster_changes.extend(capabilities::changes(applied));
        report.findings.extend(capabilities::conflicts(applied));
    }

    pub(super) fn gate(&self, gate: Gate, report: &mut Report) {
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
