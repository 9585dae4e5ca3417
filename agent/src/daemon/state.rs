//! What the daemon knows at one moment: the one value that `serve` shows and `publish` writes. Data only.

use crate::health::{Condition, Transition};
use bedplate_protocol::{Finding, NodeFacts, Verdict};
use jiff::Timestamp;
use serde::Serialize;

/// `/v1/state`. A new one replaces the whole; nothing in it ever changes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct State {
    /// When it was made.
    pub(crate) at: Timestamp,
    /// When this process began.
    pub(crate) started: Timestamp,
    /// The agent's version.
    pub(crate) version: &'static str,
    /// The node's name in its cluster.
    pub(crate) node_name: String,
    /// Seconds between two passes.
    pub(crate) interval_seconds: u64,
    /// When the last pass over NVML ended, whatever it found; absent before the first.
    pub(crate) last_pass: Option<Timestamp>,
    /// How long that pass took, in microseconds.
    pub(crate) last_pass_micros: Option<u64>,
    /// Since when NVML's values are of the past; absent while they are fresh. `facts.nvml.gpus` are then the last ones read.
    pub(crate) nvml_stale_since: Option<Timestamp>,
    /// What was read last; absent before the first pass.
    pub(crate) facts: Option<NodeFacts>,
    /// The findings that hold, those that need no attention (`accepted`) included, and what they make of each GPU.
    pub(crate) verdict: Verdict,
    /// One for each of [`crate::health::CONDITIONS`], in its order.
    pub(crate) conditions: Vec<Condition>,
    /// The newest changes of findings, oldest first, at most [`Transition::KEPT`].
    pub(crate) transitions: Vec<Transition>,
    /// What is wrong with the agent's own configuration, such as an override that has expired.
    pub(crate) notices: Vec<Finding>,
}
