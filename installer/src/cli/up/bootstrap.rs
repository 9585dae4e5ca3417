//! From judged hosts to a cluster that they are nodes of. Called by [`super::Run::whole`] only.

use super::{Host, KUBECONFIG, Run};
use crate::capabilities::network;
use crate::cli::report::Report;
use crate::cluster::{self, ClusterError, join::JoinToken};
use crate::config::NodeSpec;
use crate::execute::StageReport;
use crate::execute::stage::carry_out;
use crate::plan::{self, RunHeader, Site};
use bedplate_protocol::message::Values;
use bedplate_protocol::{Finding, Mode, NodePlan, RunId, SecretString, Severity};
use futures::future::join_all;
use std::collections::BTreeMap;

impl Run<'_> {
    /// Everything after the hosts were judged. `hosts[0]` is the founder.
    pub(super) async fn cluster(
        &self,
        site: &Site<'_>,
        hosts: &mut [Host<'_>],
        report: &mut Report,
    ) -> Result<(), ClusterError> {
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
        report.findings.extend(super::kubeconfig::write(&kubeconfig)?);
        report.kubeconfig = Some(KUBECONFIG.to_owned());
        let client = cluster::client(&kubeconfig).await?;
        let network = network::install(&client, &site.spec.kubernetes.pod_subnet.to_string()).await?;
        Self::note_applied(&network, report);
        let result = self.join(site, joiners, &client, &kubeconfig).await;
        result?;
        self.ready(hosts, &client).await?;
        self.enrol(site, hosts, &client, &kubeconfig, report).await?;
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

    pub(super) async fn stage(&self, host: &mut Host<'_>, plan: Result<NodePlan, Finding>, values: Option<Values>) {
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
    pub(super) fn header(&self, stage: &str) -> Result<RunHeader, Finding> {
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
}

pub(super) fn plan_finding(node: &NodeSpec) -> impl FnOnce(plan::PlanError) -> Finding {
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
