//! `agent:`, what the agent that stays on each node may do. Called by the room's `mod`.

use super::reader::{Reader, Table};
use saphyr::MarkedYaml;

/// The agent as a daemon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AgentSpec {
    /// Whether a node with a broken GPU gets the taint `bedplate.dev/gpu-unhealthy:NoSchedule`. Default: no, it is only reported.
    pub taints: bool,
}

pub(in crate::config) fn read(node: Option<&MarkedYaml<'_>>, reader: &mut Reader<'_>) -> AgentSpec {
    let table = node.and_then(|node| Table::read(node, "agent", &["taints"], reader));
    AgentSpec {
        taints: table.and_then(|table| table.flag("taints", reader)).unwrap_or(false),
    }
}
