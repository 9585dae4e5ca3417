//! From Node objects to a [`Fleet`]. Called through the room's `mod`.

use super::{Agent, ConditionStatus, Fleet, GpuStatus, NodeStatus, sign};
use crate::cluster::agents::{self, GPUS};
use bedplate_protocol::{Finding, Health, RecommendedAction, Severity};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use serde::Deserialize;

/// Of everything that bedplate writes on a Node.
const DOMAIN: &str = "bedplate.dev/";

/// The annotation [`GPUS`], as far as it is shown.
#[derive(Deserialize)]
struct Mark {
    gpus: Vec<GpuStatus>,
}

/// What these nodes' agents have said, as of `at`.
pub fn read(nodes: &[Node], at: Timestamp) -> Fleet {
    let mut read: Vec<(NodeStatus, Vec<Finding>)> = nodes.iter().map(|node| one(node, at)).collect();
    read.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let (nodes, findings): (Vec<NodeStatus>, Vec<_>) = read.into_iter().unzip();
    let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
    let health = nodes.iter().filter_map(|node| node.health).max();
    if health.is_none() {
        findings.push(Finding::new(
            Severity::Error,
            "nothing-judged",
            "cluster",
            format!(
                "of {} nodes none has an agent or shows a GPU, so nothing is known of this cluster",
                nodes.len()
            ),
            "look whether the kubeconfig is of the cluster that you mean, then bedplate up",
        ));
    }
    Fleet {
        at,
        health: health.unwrap_or(Health::Unknown),
        nodes,
        findings,
    }
}

fn one(node: &Node, at: Timestamp) -> (NodeStatus, Vec<Finding>) {
    let name = node.metadata.name.clone().unwrap_or_default();
    let conditions: Vec<&NodeCondition> = node.status.iter().flat_map(|s| s.conditions.iter().flatten()).collect();
    let ours = agents::conditions(node);
    let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
    let agent = match agents::heartbeat(&ours) {
        None => Agent::Absent,
        Some(last) if at.duration_since(last) > agents::silent_after(node) => Agent::Silent { since: last },
        Some(last) => Agent::Reports { last },
    };
    let mut findings = Vec::new();
    let text = node.metadata.annotations.as_ref().and_then(|all| all.get(GPUS));
    let gpus = annotation(text.map(String::as_str), &agent, &name, &mut findings);
    let conditions: Vec<ConditionStatus> = ours.iter().filter_map(|c| not_false(c)).collect();
    let sign = sign::of_gpu(node);
    let status = NodeStatus {
        health: judged(&agent, sign.is_some(), gpus.as_deref(), &conditions),
        ready,
        cordoned: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
        taints: taints(node),
        allocatable_gpus: allocatable(node),
        gpus: gpus.unwrap_or_default(),
        conditions,
        agent,
        name,
    };
    in_the_way(&status, sign.as_deref(), &mut findings);
    (status, findings)
}

/// A node's health. What a silent agent has said last, and what it said of GPUs and cannot be read, proves nothing.
fn judged(agent: &Agent, sign: bool, gpus: Option<&[GpuStatus]>, conditions: &[ConditionStatus]) -> Option<Health> {
    if *agent == Agent::Absent && !sign {
        return None;
    }
    let of_gpus = gpus.iter().flat_map(|gpus| gpus.iter().map(|gpu| gpu.health));
    let told = of_gpus.chain(conditions.iter().map(|condition| condition.health)).max();
    let least = match (agent, gpus) {
        (Agent::Reports { .. }, Some(_)) => Health::Healthy,
        _ => Health::Unknown,
    };
    Some(told.map_or(least, |told| told.max(least)))
}

/// Taints of our domain, whoever wrote them.
fn taints(node: &Node) -> Vec<String> {
    let all = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let ours = all.filter(|taint| taint.key.starts_with(DOMAIN));
    ours.map(|taint| match taint.value.as_deref().unwrap_or_default() {
        "" => format!("{}:{}", taint.key, taint.effect),
        value => format!("{}={value}:{}", taint.key, taint.effect),
    })
    .collect()
}

fn not_false(condition: &NodeCondition) -> Option<ConditionStatus> {
    let health = match condition.status.as_str() {
        "False" => return None,
        "True" => Health::Problem,
        _ => Health::Unknown,
    };
    Some(ConditionStatus {
        kind: condition.type_.clone(),
        health,
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
        since: condition.last_transition_time.as_ref().and_then(agents::time),
    })
}

fn allocatable(node: &Node) -> u64 {
    let resources = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    resources
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.as_str() == "nvidia.com/gpu" || name.as_str() == "nvidia.com/gpu.shared")
        .filter_map(|(_, quantity)| quantity.0.parse::<u64>().ok())
        .sum()
}

/// The GPUs as the agent has written them; none where that is not there or cannot be read.
fn annotation(text: Option<&str>, agent: &Agent, node: &str, findings: &mut Vec<Finding>) -> Option<Vec<GpuStatus>> {
    let Some(text) = text else {
        if matches!(agent, Agent::Reports { .. }) {
            findings.push(Finding::new(
                Severity::Warning,
                "gpu-annotation",
                node,
                format!("its agent reports and has not written the annotation {GPUS}, so nothing is known of single GPUs"),
                "it follows the first report within a minute; after that, on the node: journalctl -u bedplate-agent -n 50",
            ));
        }
        return None;
    };
    let mark: Result<Mark, _> = serde_json::from_str(text);
    match mark {
        Ok(mark) => Some(mark.gpus),
        Err(error) => {
            findings.push(
                Finding::new(
                    Severity::Warning,
                    "gpu-annotation",
                    node,
                    format!("what the annotation {GPUS} says cannot be read: {error}"),
                    "run `bedplate up` again with one release of bedplate, so that agent and installer agree",
                )
                .with_evidence(text.chars().take(200).collect::<String>()),
            );
            None
        }
    }
}

/// What keeps this node from work, each with its cure.
fn in_the_way(node: &NodeStatus, sign: Option<&str>, findings: &mut Vec<Finding>) {
    let name = &node.name;
    let mut add = |severity, code: &str, message: String, cure: String| {
        findings.push(Finding::new(severity, code, name, message, cure));
    };
    match &node.agent {
        Agent::Silent { since } => add(
            Severity::Error,
            "agent-silent",
            format!("the agent has not written since {since}, so nothing that is shown of its GPUs is known to hold"),
            "on the node: systemctl status bedplate-agent; a node that was off for longer than its token lives (24 h) comes back \
             with `bedplate up`"
                .to_owned(),
        ),
        Agent::Absent => {
            if let Some(sign) = sign {
                add(
                    Severity::Error,
                    "agent-absent",
                    format!("it has {sign}, and there is no agent that looks at its GPUs"),
                    "bedplate up".to_owned(),
                );
            }
        }
        Agent::Reports { .. } => {}
    }
    if !node.ready {
        add(
            Severity::Error,
            "node-not-ready",
            "kubelet does not report the node as Ready".to_owned(),
            format!("kubectl describe node {name}"),
        );
    }
    if node.cordoned {
        add(
            Severity::Warning,
            "node-cordoned",
            "no new pod is scheduled to it".to_owned(),
            format!("when it is mended: kubectl uncordon {name}"),
        );
    }
    for taint in &node.taints {
        let keeps = if taint.ends_with(":NoExecute") {
            "no new pod is scheduled to it and those that run are ended"
        } else {
            "no new pod is scheduled to it"
        };
        add(
            Severity::Warning,
            "node-tainted",
            format!("{keeps}: it has the taint {taint}"),
            mends(node, taint),
        );
    }
    for condition in &node.conditions {
        let severity = if condition.health == Health::Problem {
            Severity::Error
        } else {
            Severity::Warning
        };
        let since = condition.since.map_or_else(String::new, |at| format!(" since {at}"));
        // The condition's own: what another GPU wants cures nothing here.
        let cure = RecommendedAction::opens(&condition.message).map_or_else(
            || "on the node: bedplate-agent check".to_owned(),
            |action| format!("{action}; `bedplate-agent check` on the node says how"),
        );
        add(
            severity,
            &code(&condition.kind),
            format!("{}{since}: {}", condition.reason, condition.message),
            cure,
        );
    }
}

/// How a taint goes: its agent takes it away when the GPUs are well, and nobody does where the agent is silent or wrote none.
fn mends(node: &NodeStatus, taint: &str) -> String {
    let ill = node
        .conditions
        .iter()
        .any(|condition| condition.health == Health::Problem);
    if matches!(node.agent, Agent::Reports { .. }) && ill {
        return "nothing to do for the taint itself: the agent takes it away when what is told of this node is mended"
            .to_owned();
    }
    let key = taint.split(['=', ':']).next().unwrap_or(taint);
    format!(
        "what is told of this node explains no taint; when its GPUs are known to be well: kubectl taint nodes {} {key}-",
        node.name
    )
}

/// A condition's type as a finding's code: `GPUMemoryProblem` is `gpu-memory-problem`.
pub fn code(kind: &str) -> String {
    let mut code = String::new();
    let letters: Vec<char> = kind.chars().collect();
    for (n, letter) in letters.iter().enumerate() {
        let begins = n > 0
            && letter.is_ascii_uppercase()
            && (letters[n - 1].is_ascii_lowercase() || letters.get(n + 1).is_some_and(char::is_ascii_lowercase));
        if begins {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

#[cfg(test)]
mod tests;
