//! The verdict on each GPU and on the node, as 1 and 0. Called by [`super::text`] only.

use super::super::exposition::{Exposition, Kind, Metric};
use super::flag;
use super::labels::Labels;
use crate::daemon::State;
use bedplate_protocol::{Health, RecommendedAction};

const HEALTH: Metric = Metric {
    name: "bedplate_gpu_health",
    kind: Kind::Gauge,
    help: "1 for what a GPU was judged to be, 0 for the others; unknown is not healthy.",
};
const ACTION: Metric = Metric {
    name: "bedplate_gpu_recommended_action",
    kind: Kind::Gauge,
    help: "1 for the one thing to do about a GPU, 0 for the others; each action includes what those before it would cure.",
};
const NODE_HEALTH: Metric = Metric {
    name: "bedplate_gpu_node_health",
    kind: Kind::Gauge,
    help: "1 for what the node was judged to be, 0 for the others: the worst of its GPUs and of the findings about itself.",
};
const NODE_ACTION: Metric = Metric {
    name: "bedplate_gpu_node_recommended_action",
    kind: Kind::Gauge,
    help: "1 for the one thing to do about the node, 0 for the others.",
};

const HEALTHS: [(Health, &str); 3] = [
    (Health::Healthy, "healthy"),
    (Health::Unknown, "unknown"),
    (Health::Problem, "problem"),
];

/// From the least to the most.
const ACTIONS: [(Option<RecommendedAction>, &str); 6] = [
    (None, "none"),
    (Some(RecommendedAction::RestartApp), "restart-app"),
    (Some(RecommendedAction::ResetGpu), "reset-gpu"),
    (Some(RecommendedAction::Reboot), "reboot"),
    (Some(RecommendedAction::PowerCycle), "power-cycle"),
    (Some(RecommendedAction::Service), "service"),
];

pub(super) fn write(text: &mut Exposition<'_>, state: &State) {
    let judged: Vec<_> = state
        .verdict
        .gpus
        .iter()
        .map(|gpu| (gpu, Labels::judged(state, gpu)))
        .collect();
    for (gpu, labels) in &judged {
        for (health, name) in HEALTHS {
            text.sample(&HEALTH, &labels.with(&[("health", name)]), flag(gpu.health == health));
        }
    }
    for (gpu, labels) in &judged {
        for (action, name) in ACTIONS {
            text.sample(&ACTION, &labels.with(&[("action", name)]), flag(gpu.action == action));
        }
    }
    for (health, name) in HEALTHS {
        text.sample(&NODE_HEALTH, &[("health", name)], flag(state.verdict.health == health));
    }
    for (action, name) in ACTIONS {
        text.sample(&NODE_ACTION, &[("action", name)], flag(state.verdict.action == action));
    }
}
