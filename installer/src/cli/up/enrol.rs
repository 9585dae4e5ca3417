//! The agent stays: what it may do in the cluster, its identity and its unit on each node, and the gate that it reports.
//! Called by [`super::bootstrap`] only.

use super::bootstrap::plan_finding;
use super::{Host, Run};
use crate::capabilities::agent;
use crate::cli::report::Report;
use crate::cluster::{self, ClusterError, causes, enrolment::enrol};
use crate::plan::{self, AgentIdentity, Site};
use bedplate_protocol::message::Values;
use bedplate_protocol::{Finding, SecretString, Severity};
use bedplate_ssh::Layout;
use futures::future::join_all;
use kube::Client;
use std::collections::BTreeMap;

impl Run<'_> {
    /// Leaves the agent behind on every host that is a node.
    pub(super) async fn enrol(
        &self,
        site: &Site<'_>,
        hosts: &mut [Host<'_>],
        client: &Client,
        kubeconfig: &SecretString,
        report: &mut Report,
    ) -> Result<(), ClusterError> {
        Self::note_applied(&agent::install(client).await?, report);
        let ca = cluster::join::ca(kubeconfig)?;
        let program = Layout::default().agent_path(self.loaded.agent.sha256());
        let joined = hosts.iter_mut().filter(|host| host.stages.failed.is_empty());
        join_all(joined.map(|host| async {
            let enrolment = match enrol(client, &host.node.name).await {
                Ok(enrolment) => enrolment,
                Err(e) => return host.stages.failed.push(not_enrolled(&host.node.name, &e)),
            };
            let identity = AgentIdentity {
                program: program.clone(),
                programs: Layout::default().root().to_owned(),
                ca: ca.clone(),
                claims: enrolment.claims,
            };
            let planned = self
                .header("agent")
                .and_then(|header| plan::agent(site, host.node, &header, &identity).map_err(plan_finding(host.node)));
            let values = planned.as_ref().ok().map(|plan| Values {
                run: plan.run.clone(),
                values: BTreeMap::from([(plan::AGENT_TOKEN.to_owned(), enrolment.token)]),
            });
            self.stage(host, planned, values).await;
        }))
        .await;
        let nodes: Vec<String> = hosts
            .iter()
            .filter(|host| host.stages.failed.is_empty())
            .map(|host| host.node.name.clone())
            .collect();
        if !nodes.is_empty() {
            let gate = agent::prove(client, &nodes, &self.progress.waits("cluster")).await?;
            self.gate(gate, report);
        }
        Ok(())
    }
}

fn not_enrolled(node: &str, error: &ClusterError) -> Finding {
    let finding = Finding::new(
        Severity::Error,
        "agent-not-enrolled",
        node,
        error.to_string(),
        "look with `kubectl -n bedplate-system get serviceaccounts`, then run the same command again",
    );
    causes(error).into_iter().skip(1).fold(finding, Finding::with_evidence)
}
