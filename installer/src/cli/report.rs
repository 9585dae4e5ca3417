//! What a run came to, as one table or one JSON document on stdout.

use super::{Output, streams};
use crate::capabilities::{Gate, GateResult};
use crate::exit::Exit;
use bedplate_protocol::{Finding, Health, StepId, Verdict};
use serde::Serialize;
use std::fmt::Write as _;

/// More changes than this on a host are an installation, not a drift; the table then gives their number.
const MANY: usize = 12;

/// One host's part.
#[derive(Debug, Serialize)]
pub(crate) struct HostReport {
    /// The node's name.
    pub(crate) name: String,
    /// `joined`, `left-out`, `ready-to-go` (preflight).
    pub(crate) state: HostState,
    /// The agent's judgement, if it could be asked.
    pub(crate) verdict: Option<Verdict>,
    /// GPUs: UUID and name by NVML.
    pub(crate) gpus: Vec<String>,
    /// Everything a person must hear of it.
    pub(crate) findings: Vec<Finding>,
    /// Steps that held already.
    pub(crate) unchanged: usize,
    /// Steps that were not as they should have been: which, and what was there.
    pub(crate) changed: Vec<(StepId, String)>,
}

/// Where a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostState {
    /// Nothing stands in its way; not changed.
    Fit,
    /// A node of the cluster.
    Node,
    /// A finding keeps it out.
    LeftOut,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Each host of the file.
    pub(crate) hosts: Vec<HostReport>,
    /// Objects of the cluster that were not as they should have been.
    pub(crate) cluster_changes: Vec<String>,
    /// The gates, in order.
    pub(crate) gates: Vec<Gate>,
    /// Findings about no host in particular.
    pub(crate) findings: Vec<Finding>,
    /// Seconds that the run took.
    pub(crate) seconds: f64,
    /// Where the kubeconfig was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kubeconfig: Option<String>,
}

impl Report {
    /// The exit code that follows.
    pub(crate) fn exit(&self) -> Exit {
        let gate_failed = self
            .gates
            .iter()
            .any(|gate| matches!(gate.result, GateResult::Failed { .. }));
        let nodes = self
            .hosts
            .iter()
            .filter(|host| host.state != HostState::LeftOut)
            .count();
        if gate_failed || nodes == 0 || self.findings.iter().any(Finding::blocks) {
            return Exit::Failed;
        }
        let unproven = self
            .gates
            .iter()
            .any(|gate| matches!(gate.result, GateResult::Unproven { .. }));
        if unproven || nodes < self.hosts.len() {
            Exit::Incomplete
        } else {
            Exit::Done
        }
    }

    /// Whether nothing on any host and in the cluster had to be changed.
    pub(crate) fn no_change(&self) -> bool {
        self.cluster_changes.is_empty() && self.hosts.iter().all(|host| host.changed.is_empty())
    }

    /// Writes it to stdout, and says how the run ended.
    pub(crate) fn end(&self, output: Output) -> Exit {
        let text = match output {
            Output::Text => self.text(),
            Output::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
        };
        streams::answer(&text).map_or(Exit::Output, |()| self.exit())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let width = self
            .hosts
            .iter()
            .map(|host| host.name.len())
            .chain([4])
            .max()
            .unwrap_or(4);
        let _ = writeln!(text, "{:width$}  {:8}  {:9}  GPUS", "HOST", "STATE", "HEALTH");
        for host in &self.hosts {
            let state = match host.state {
                HostState::Fit => "fit",
                HostState::Node => "node",
                HostState::LeftOut => "left out",
            };
            let health = match host.verdict.as_ref().map(|verdict| verdict.health) {
                Some(Health::Healthy) => "healthy",
                Some(Health::Problem) => "problem",
                Some(Health::Unknown) => "unknown",
                None => "not read",
            };
            let gpus = if host.gpus.is_empty() {
                "none".to_owned()
            } else {
                host.gpus.join("\n")
            };
            for (n, gpu) in gpus.lines().enumerate() {
                let (name, state, health) = if n == 0 {
                    (host.name.as_str(), state, health)
                } else {
                    ("", "", "")
                };
                let _ = writeln!(text, "{name:width$}  {state:8}  {health:9}  {gpu}");
            }
        }
        self.changes(&mut text);
        for gate in &self.gates {
            let _ = match &gate.result {
                GateResult::Passed { evidence } => {
                    writeln!(text, "gate {}: passed\n    {}", gate.name, evidence.join("\n    "))
                }
                GateResult::Failed { finding } => writeln!(text, "gate {}: failed\n    {finding}", gate.name),
                GateResult::Unproven { reason } => writeln!(text, "gate {}: unproven: {reason}", gate.name),
            };
        }
        for finding in self
            .findings
            .iter()
            .chain(self.hosts.iter().flat_map(|host| &host.findings))
        {
            let _ = writeln!(text, "{finding}");
        }
        if let Some(path) = &self.kubeconfig {
            let _ = writeln!(text, "kubeconfig: {path}");
        }
        text
    }

    fn changes(&self, text: &mut String) {
        let steps: usize = self.hosts.iter().map(|host| host.unchanged).sum();
        if self.no_change() {
            // What nobody looked at has not held.
            let hosts = self.hosts.iter().filter(|host| host.unchanged > 0).count();
            let cluster = if self.kubeconfig.is_some() && !self.findings.iter().any(Finding::blocks) {
                ", as does every object in the cluster"
            } else {
                ""
            };
            if steps > 0 {
                let _ = writeln!(text, "no change: {steps} steps on {hosts} hosts held already{cluster}");
            }
            return;
        }
        for host in &self.hosts {
            // A first run changes everything; naming each step would bury what matters.
            if host.changed.len() > MANY {
                let _ = writeln!(
                    text,
                    "{}: {} steps done, {} held already (`--output json` names each)",
                    host.name,
                    host.changed.len(),
                    host.unchanged
                );
            } else {
                for (step, before) in &host.changed {
                    let _ = writeln!(text, "{}: changed {step} ({before})", host.name);
                }
            }
        }
        for change in &self.cluster_changes {
            let _ = writeln!(text, "cluster: {change}");
        }
    }
}

/// Prints findings that ended a run before it began.
pub(crate) fn refuse(findings: &[Finding], output: Output) -> Exit {
    instead(findings, output, Exit::BadInput)
}

/// Prints findings instead of what was asked for: a document on stdout, or lines for people on stderr.
pub(crate) fn instead(findings: &[Finding], output: Output, exit: Exit) -> Exit {
    let written = match output {
        Output::Json => {
            let document = serde_json::json!({ "findings": findings });
            streams::answer(&(serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"))
        }
        Output::Text => {
            let lines: Vec<String> = findings.iter().map(|finding| format!("{finding}\n")).collect();
            streams::tell(&lines.concat())
        }
    };
    written.map_or(Exit::Output, |()| exit)
}

#[cfg(test)]
mod tests;
