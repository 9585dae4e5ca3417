//! The newest state, made of what the observer knows. Called by [`super::Observer::run`] only.

use super::super::State;
use super::Observer;
use bedplate_protocol::facts::NvmlStatus;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;

impl Observer {
    /// To everybody who reads it.
    pub(super) fn tell(&self) {
        let at = Timestamp::now();
        let pass = self.pass.as_ref();
        let stale = pass.is_none_or(|pass| pass.facts.nvml.status != NvmlStatus::Ready);
        let mut facts = pass.map(|pass| pass.facts.clone());
        if let (true, Some(facts), Some(answered)) = (stale, facts.as_mut(), &self.answered) {
            facts.nvml.gpus.clone_from(&answered.gpus);
        }
        let silent = |of: Instant| of.elapsed() > self.config.interval.get() * 3;
        let newest = State {
            at,
            started: self.started,
            version: env!("CARGO_PKG_VERSION"),
            node_name: self.node_name.clone(),
            interval_seconds: self.config.interval.get().as_secs(),
            last_pass: pass.map(|pass| pass.at),
            last_pass_micros: pass.and_then(|pass| u64::try_from(pass.took.as_micros()).ok()),
            nvml_stale_since: match &self.answered {
                Some(answered) if stale || silent(answered.heard) => Some(answered.at),
                Some(_) => None,
                // A node without a GPU has no values that could be old.
                None if pass.is_some_and(|pass| pass.facts.gpus_on_pci().is_empty()) => None,
                None => Some(self.started),
            },
            facts,
            verdict: self.fold.verdict(),
            conditions: self.fold.conditions(),
            transitions: self.told_transitions(),
            xids: self.xids.counts(),
            kernel_log_lost: self.xids.log().lost_ever(),
            notices: [self.fold.notices(at), self.troubles.clone()].concat(),
        };
        self.states.send_replace(Arc::new(newest));
    }
}
