//! Events say which pods held a GPU when something about it began to hold. The kubelet is asked then, and the transitions from the
//! first of them on are told when it has answered or its time is over; conditions and findings are told at once. Part of
//! [`super::Observer`].

use super::super::holders::DEADLINE;
use super::Observer;
use crate::health::{Change, Transition};
use crate::pods::Attribution;
use std::time::{Duration, Instant};

/// Transitions that are not told yet.
#[derive(Debug)]
pub(super) struct Withheld {
    /// The first one's number.
    from: u64,
    /// Told then in any case.
    until: Instant,
}

/// Pods in an Event's note; a GPU that is shared has some tens.
const NAMED: usize = 8;

impl Observer {
    /// Something has changed: whether the kubelet is to be asked for it.
    pub(super) fn ask(&mut self, changes: &[Transition]) {
        let about_gpu = |change: &&Transition| change.change == Change::Raised && self.fold.is_held(&change.subject);
        let Some(first) = changes.iter().find(about_gpu) else {
            return;
        };
        // One that is under way is about these as well: nothing has moved within its second.
        if self.withheld.is_none() && self.questions.try_send(()).is_ok() {
            self.withheld = Some(Withheld {
                from: first.sequence,
                until: Instant::now() + DEADLINE * 2,
            });
        }
    }

    /// The kubelet has answered.
    pub(super) fn hear_of_holders(&mut self, answer: Result<Attribution, String>) {
        let Some(withheld) = self.withheld.take() else { return };
        match answer {
            Ok(said) => {
                let pass = self.pass.as_ref();
                let gpus = pass.map_or(&[][..], |pass| &pass.facts.nvml.gpus);
                // A GPU is held through its MIG devices as well.
                let holders = |uuid: &str| {
                    let gpu = gpus.iter().find(|gpu| gpu.uuid.as_deref() == Some(uuid));
                    let parts = gpu.into_iter().flat_map(|gpu| &gpu.mig_devices);
                    let mut ids: Vec<&str> = parts.filter_map(|part| part.uuid.as_deref()).collect();
                    ids.push(uuid);
                    words(&said, &ids)
                };
                self.fold.held_by(withheld.from, holders);
            }
            // A host without a kubelet has no pods; the agent says nothing of it at each fault.
            Err(why) => tracing::debug!("which pods hold the GPU is not known: {why}"),
        }
    }

    /// Whether the time of what is withheld is over; it is then told as it is.
    pub(super) fn give_up_on_holders(&mut self) -> bool {
        let over = self
            .withheld
            .as_ref()
            .is_some_and(|withheld| withheld.until <= Instant::now());
        if over {
            self.withheld = None;
        }
        over
    }

    /// How long the mailbox may be waited at.
    pub(super) fn patience(&self, tick: Duration) -> Duration {
        let left = |withheld: &Withheld| withheld.until.saturating_duration_since(Instant::now());
        self.withheld.as_ref().map_or(tick, |withheld| left(withheld).min(tick))
    }

    /// The newest transitions that may be told.
    pub(super) fn told_transitions(&self) -> Vec<Transition> {
        let all = self.fold.transitions().iter();
        let told = all.filter(|change| {
            self.withheld
                .as_ref()
                .is_none_or(|withheld| change.sequence < withheld.from)
        });
        told.cloned().collect()
    }
}

/// `held by team-a/trainer/main, …`.
fn words(said: &Attribution, ids: &[&str]) -> String {
    let mut names: Vec<String> = said
        .holders
        .iter()
        .filter(|holder| ids.contains(&holder.uuid.as_str()))
        .map(|holder| format!("{}/{}/{}", holder.namespace, holder.pod, holder.container))
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return "held by no pod that kubelet knows".to_owned();
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("held by {}{rest}", names.join(", "))
}
