//! `agent:`, the agent that stays on each node: what it may do, and those of its own settings that are the same on every node.
//! Called by the room's `mod`.
//!
//! A run writes the agent's whole configuration file, so what is not here cannot be kept. The settings are handed on as they are
//! written; that the agent takes them is checked here, with the file's lines, by the rules of `docs/agent.md`.

mod checks;
mod period;
mod serve;

use super::reader::{Reader, Table};
use saphyr::MarkedYaml;
use serde_json::{Map, Value};

/// The agent as a daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentSpec {
    /// Whether a node with a broken GPU gets the taint `bedplate.dev/gpu-unhealthy:NoSchedule`. Default: no, it is only reported.
    pub taints: bool,
    /// How often conditions are written that do not change, `5m`; the agent's own default without it.
    pub heartbeat: Option<String>,
    /// Keys of the agent's configuration: `interval`, `listen`, `serve`, `checks`. Only those that the file has.
    pub settings: Map<String, Value>,
}

pub(in crate::config) fn read(node: Option<&MarkedYaml<'_>>, codes: &[&str], reader: &mut Reader<'_>) -> AgentSpec {
    let Some(table) = node.and_then(|node| Table::read(node, "agent", reader)) else {
        return AgentSpec::default();
    };
    let mut settings = Map::new();
    let interval = period::read(&table, "interval", 1..=3600, reader);
    settings.extend(interval.map(|interval| ("interval".to_owned(), Value::String(interval))));
    settings.extend(serve::read(&table, reader));
    let checks = table.get("checks").map(|node| checks::read(node, codes, reader));
    settings.extend(checks.map(|checks| ("checks".to_owned(), Value::Array(checks))));
    AgentSpec {
        taints: table.flag("taints", reader).unwrap_or(false),
        heartbeat: period::read(&table, "heartbeat", 10..=3600, reader),
        settings,
    }
}
