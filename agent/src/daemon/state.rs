//! What the daemon knows at one moment: the one value that `serve` shows and `publish` writes. Data only.

use super::Config;
use crate::health::{Condition, Fold, Status, Transition};
use crate::xid::Count;
use bedplate_protocol::{Finding, Health, NodeFacts, Verdict};
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
    /// How often each GPU had each XID, over restarts and boots.
    pub(crate) xids: Vec<Count>,
    /// Records of the kernel's log that were overwritten before this process could read them.
    pub(crate) kernel_log_lost: u64,
    /// What is wrong with the agent's own configuration, such as an override that has expired.
    pub(crate) notices: Vec<Finding>,
}

impl State {
    /// What is known before anybody has looked: what an earlier run kept, else nothing.
    pub(crate) fn before_the_first_pass(config: &Config, node_name: &str, fold: &Fold) -> Self {
        let at = Timestamp::now();
        Self {
            at,
            started: at,
            version: env!("CARGO_PKG_VERSION"),
            node_name: node_name.to_owned(),
            interval_seconds: config.interval.get().as_secs(),
            last_pass: None,
            last_pass_micros: None,
            nvml_stale_since: Some(at),
            facts: None,
            verdict: fold.verdict(),
            conditions: fold.conditions(),
            transitions: fold.transitions().to_vec(),
            xids: Vec::new(),
            kernel_log_lost: 0,
            notices: fold.notices(at),
        }
    }

    /// One line for people: how many GPUs are healthy, and which conditions are not `False`.
    pub(crate) fn summary(&self) -> String {
        let all = self.verdict.gpus.len();
        let healthy = self
            .verdict
            .gpus
            .iter()
            .filter(|gpu| gpu.health == Health::Healthy)
            .count();
        let open = self
            .conditions
            .iter()
            .filter(|condition| condition.status != Status::False);
        let open: Vec<String> = open
            .map(|condition| format!("{}={}", condition.kind, condition.status.as_str()))
            .collect();
        let what = if open.is_empty() {
            "no problem".to_owned()
        } else {
            open.join(" ")
        };
        format!("{healthy} of {all} GPU(s) healthy; {what}")
    }
}
