//! What passes and the kernel's log become: a verdict of the checks, folded with all before it. Called by
//! [`super::Observer::run`] only.

use super::{Answered, LastPass, Observer, Pass};
use crate::checks;
use crate::health::{Fold, Sense, Sight, Status};
use bedplate_protocol::facts::NvmlStatus;
use bedplate_protocol::{Health, NodeFacts, Verdict};
use std::time::Instant;

impl Observer {
    /// A pass has ended.
    pub(super) fn passed(&mut self, pass: LastPass) {
        let LastPass {
            facts,
            era,
            took,
            whole,
            early,
        } = pass;
        let now = self.clock.now();
        let at = now.at;
        self.xids.learn(&facts);
        let reset = self.fold.forgive(at, &facts, &era, self.xids.newest_record());
        let verdict = self.verdict(&facts);
        let nothing_there = facts.gpus_on_pci().is_empty() && verdict.health == Health::Healthy;
        let mut sight = Sight::of_pass(&facts, nothing_there)
            .and(Sense::Host)
            .during(era.clone());
        if self.xids.log().reads(Instant::now()) {
            sight = sight.and(Sense::KernelLog);
        }
        if whole {
            sight = sight.and(Sense::WholeHost);
        }
        sight.early = early;
        sight.reset = reset;
        let expected = self.config.expect.as_ref().and_then(|expect| expect.gpus);
        let on_pci = facts.gpus_on_pci().len();
        sight.counted =
            facts.nvml.gpus.len() == on_pci && expected.is_some_and(|gpus| usize::try_from(gpus) == Ok(on_pci));
        sight.withdrawn = checks::withdrawn(&checks::Observation {
            facts: &facts,
            expect: None,
            history: &self.history,
        });
        let changes = self.fold.observe(now, &verdict, &sight);
        changes.iter().for_each(super::super::log::change);
        self.ask(&changes);
        self.history.record(&facts);
        if facts.nvml.status == NvmlStatus::Ready {
            self.answered = Some(Answered {
                at,
                heard: Instant::now(),
                gpus: facts.nvml.gpus.clone(),
            });
        }
        self.pass = Some(Pass { facts, era, at, took });
    }

    /// The kernel's log has news: what was read last is judged with it.
    pub(super) fn judge_again(&mut self) {
        // Taken out while it is judged, for the judgement renews the history.
        let Some(pass) = self.pass.take() else { return };
        let verdict = self.verdict(&pass.facts);
        let mut sight = Sight::default().during(pass.era.clone());
        if self.xids.log().reads(Instant::now()) {
            sight = sight.and(Sense::KernelLog);
        }
        let changes = self.fold.observe(self.clock.now(), &verdict, &sight);
        changes.iter().for_each(super::super::log::change);
        self.ask(&changes);
        self.pass = Some(pass);
    }

    /// What the checks say of these facts, and what the observer itself has to say of the log.
    fn verdict(&mut self, facts: &NodeFacts) -> Verdict {
        self.history.xids = self.xids.present(&self.fold);
        self.history.nvml_events = self.xids.told(&self.fold);
        let heard = Instant::now();
        self.history.kernel_log_unreadable = self.xids.log().trouble(heard);
        self.history.kernel_log_lost = self.xids.log().lost_lately(heard);
        let seen = checks::Observation {
            facts,
            expect: self.config.expect.as_ref(),
            history: &self.history,
        };
        checks::judge(&seen)
    }

    /// Only time has passed; whether that changes a condition.
    pub(super) fn silence(&mut self) -> bool {
        let statuses =
            |fold: &Fold| -> Vec<Status> { fold.conditions().iter().map(|condition| condition.status).collect() };
        let before = statuses(&self.fold);
        self.fold.tick(self.clock.now());
        before != statuses(&self.fold)
    }
}
