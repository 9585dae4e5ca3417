//! The agent as a daemon: its configuration, its identity in the cluster, its unit. A plan of its own after the join, because
//! the identity is bound to the Node object. Called by the verbs in `cli/`.

use super::software::directory;
use super::{PlanError, RunHeader, Site, assemble, kubeadm_join};
use crate::config::NodeSpec;
use bedplate_protocol::plan::{Content, Part, TokenClaims};
use bedplate_protocol::{NodePlan, StepKind, StepSpec};
use serde_json::json;

/// The value with the service account's token.
pub const AGENT_TOKEN: &str = "agent-token";

const CONFIG: &str = "/etc/bedplate/agent.yaml";
const CA: &str = "/etc/bedplate/cluster-ca.crt";
/// Where a run delivers the token; the unit loads it as a credential.
const TOKEN: &str = "/etc/bedplate/agent-token";
/// Where the agent keeps the tokens that it has asked for itself: its `stateDirectory`.
const RENEWED: &str = "/var/lib/bedplate/agent/token";
/// The agent's name in everybody's PATH, for people at the host: the runbooks ask them to run it.
const LINK: &str = "/usr/local/bin/bedplate-agent";
/// A unit on the host and not a pod: it must report when kubelet and containerd are broken. `{program}` is the agent's path.
const UNIT: &str = include_str!("bedplate-agent.service");

/// Who the agent is in its cluster, and where its program lies on the host.
#[derive(Debug, Clone)]
pub struct AgentIdentity {
    /// `/usr/local/lib/bedplate/<sha256>/bedplate-agent`.
    pub program: String,
    /// Where all versions of it lie: `/usr/local/lib/bedplate`.
    pub programs: String,
    /// The cluster's CA, PEM.
    pub ca: String,
    /// What the token must say.
    pub claims: TokenClaims,
}

/// The plan that leaves the agent behind on a node. Its value is [`AGENT_TOKEN`].
pub fn agent(
    site: &Site<'_>,
    node: &NodeSpec,
    run: &RunHeader,
    identity: &AgentIdentity,
) -> Result<NodePlan, PlanError> {
    let control_plane = site.spec.control_plane().ok_or_else(|| PlanError::NoControlPlane {
        file: site.spec.file.clone(),
    })?;
    let wanted = &site.spec.agent;
    let mut kubernetes = json!({
        "apiServer": kubeadm_join::api_server(control_plane),
        "caFile": CA,
        "tokenFile": TOKEN,
        "taints": wanted.taints,
    });
    if let Some(heartbeat) = &wanted.heartbeat {
        kubernetes["heartbeat"] = json!(heartbeat);
    }
    let mut config = json!({
        "nodeName": node.name,
        "expect": node.has_gpus().then_some(&node.expect),
        "kubernetes": kubernetes,
    });
    for (key, value) in &wanted.settings {
        config[key] = value.clone();
    }
    // JSON is YAML, and its text is the same on every run.
    let config = serde_json::to_string_pretty(&config).unwrap_or_default() + "\n";
    let file = |path: &str, text: String| {
        StepSpec::new(StepKind::File {
            path: path.to_owned(),
            mode: 0o644,
            content: Content::text(text),
        })
    };
    let steps = vec![
        directory("/etc/bedplate"),
        file(CONFIG, config),
        file(CA, identity.ca.clone()),
        StepSpec::new(StepKind::ServiceAccountToken {
            path: TOKEN.to_owned(),
            renewed: RENEWED.to_owned(),
            token: Content(vec![Part::ValueRef(AGENT_TOKEN.to_owned())]),
            claims: identity.claims.clone(),
        }),
        StepSpec::new(StepKind::Unit {
            name: "bedplate-agent.service".to_owned(),
            content: UNIT.replace("{program}", &identity.program),
            restart_on: vec![CONFIG.to_owned(), CA.to_owned()],
            active: true,
        }),
        // Last: where the name is taken by something else, the agent runs all the same.
        StepSpec::new(StepKind::Symlink {
            path: LINK.to_owned(),
            target: identity.program.clone(),
            ours: identity.programs.clone(),
        }),
    ];
    Ok(assemble(node, run, steps))
}
