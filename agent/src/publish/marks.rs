//! What a Node carries besides conditions: labels to select by, an annotation that says it all, and a taint where the operator
//! wants one. Pure. Called by [`super`].

use crate::daemon::State;
use crate::health::is_about;
use bedplate_protocol::{Finding, Health, Severity};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HEALTH: &str = "bedplate.dev/gpu-health";
const COUNT: &str = "bedplate.dev/gpu-count";
const ACTION: &str = "bedplate.dev/gpu-action";
const GPUS: &str = "bedplate.dev/gpus";
/// Nothing new is scheduled to a node that has it; what runs goes on.
const TAINT: &str = "bedplate.dev/gpu-unhealthy";
/// Codes of one GPU in the annotation.
const CODES: usize = 8;
/// GPUs in the annotation; a node has 16 at most today, and an annotation is not to grow with a driver that miscounts.
const LISTED: usize = 32;

/// Labels and annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    labels: BTreeMap<&'static str, String>,
    gpus: String,
}

impl Marks {
    /// What the state wants, of an agent that writes this often: by it a reader knows after how long it is silent.
    pub(super) fn of(state: &State, heartbeat: Duration) -> Self {
        let verdict = &state.verdict;
        let mut labels = BTreeMap::from([
            (HEALTH, spelled(&verdict.health)),
            (COUNT, verdict.gpus.len().to_string()),
        ]);
        if let Some(action) = verdict.action {
            labels.insert(ACTION, spelled(&action));
        }
        let gpus: Vec<Value> = verdict
            .gpus
            .iter()
            .take(LISTED)
            .map(|gpu| {
                json!({
                    "uuid": gpu.uuid,
                    "pci": gpu.pci_address,
                    "model": gpu.name,
                    "health": gpu.health,
                    "action": gpu.action,
                    "codes": codes(weighty(state).filter(|finding| is_about(&finding.subject, gpu))),
                })
            })
            .collect();
        // What no GPU has: a driver that does not answer, a GPU that is missing.
        let none = |finding: &&Finding| !verdict.gpus.iter().any(|gpu| is_about(&finding.subject, gpu));
        let gpus = json!({
            "agent": state.version,
            "heartbeat_seconds": heartbeat.as_secs(),
            "health": verdict.health,
            "action": verdict.action,
            "codes": codes(weighty(state).filter(none)),
            "gpus": gpus,
        });
        Self {
            labels,
            gpus: gpus.to_string(),
        }
    }

    /// The body of a server-side apply: what is in it is ours, and what was in it and is no more goes.
    pub(super) fn apply(&self, node: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node, "labels": self.labels, "annotations": {GPUS: self.gpus}},
        })
    }

    /// The merge PATCH that takes away what somebody else has written under a name of ours and the state does not want: what is
    /// not in an apply stays whose it is. None where there is no such thing.
    pub(super) fn leftovers(&self, node: &Value) -> Option<Value> {
        let there = |key: &&&str| node["metadata"]["labels"].get(**key).is_some();
        let labels: serde_json::Map<String, Value> = [HEALTH, COUNT, ACTION]
            .iter()
            .filter(there)
            .filter(|key| !self.labels.contains_key(**key))
            .map(|key| ((*key).to_owned(), Value::Null))
            .collect();
        (!labels.is_empty()).then(|| json!({"metadata": {"labels": labels}}))
    }

    /// Whether the Node with this metadata carries them.
    pub(super) fn on(&self, node: &Value) -> bool {
        let metadata = &node["metadata"];
        let labels = [HEALTH, COUNT, ACTION]
            .iter()
            .all(|key| metadata["labels"][key].as_str() == self.labels.get(key).map(String::as_str));
        labels && metadata["annotations"][GPUS] == self.gpus.as_str()
    }
}

/// The findings that weigh.
fn weighty(state: &State) -> impl Iterator<Item = &Finding> {
    let findings = state.verdict.findings.iter();
    findings.filter(|finding| finding.severity > Severity::Info && finding.accepted.is_none())
}

/// The codes of findings, each once.
fn codes<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<&'a str> {
    let codes: BTreeSet<&str> = findings.map(|finding| finding.code.as_str()).collect();
    codes.into_iter().take(CODES).collect()
}

/// A value as it is in JSON, which is also what a label may hold: `reset-gpu`.
fn spelled(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// The taint that a node is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taint {
    /// As it is: what could not be read neither adds one nor takes one away.
    AsItIs,
    /// None of ours.
    Absent,
    /// With this value.
    Present(String),
}

impl Taint {
    /// What the state wants, where the operator wants taints.
    pub(super) fn of(state: &State, wanted: bool) -> Self {
        if !wanted {
            return Self::Absent;
        }
        match state.verdict.health {
            Health::Healthy => Self::Absent,
            Health::Unknown => Self::AsItIs,
            Health::Problem => {
                let action = state.verdict.action.as_ref().map(spelled);
                Self::Present(action.unwrap_or_else(|| "problem".to_owned()))
            }
        }
    }

    /// Its value.
    pub(super) fn value(&self) -> Option<&str> {
        match self {
            Self::Present(value) => Some(value),
            Self::AsItIs | Self::Absent => None,
        }
    }
}

/// The merge PATCH that makes the taint so; none where it is so. The resource version makes it a 409 when somebody else has
/// changed the node since: a list of taints can only be written whole.
pub(super) fn taint_patch(node: &Value, taint: Option<&str>) -> Option<Value> {
    let none = Vec::new();
    let taints = node["spec"]["taints"].as_array().unwrap_or(&none);
    let (ours, others): (Vec<&Value>, Vec<&Value>) = taints.iter().partition(|taint| taint["key"] == TAINT);
    let ours: Vec<(&Value, &Value)> = ours.iter().map(|taint| (&taint["value"], &taint["effect"])).collect();
    let (value, effect) = (taint.map(Value::from), Value::from("NoSchedule"));
    let should: Vec<(&Value, &Value)> = value.iter().map(|value| (value, &effect)).collect();
    if ours == should {
        return None;
    }
    let mut wanted: Vec<Value> = others.into_iter().cloned().collect();
    wanted.extend(value.map(|value| json!({"key": TAINT, "value": value, "effect": effect})));
    Some(json!({
        "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
        "spec": {"taints": wanted},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::Config;
    use crate::health::{Fold, Memory, Moment, Sense, Sight};
    use bedplate_protocol::{GpuVerdict, Verdict};
    use jiff::{SignedDuration, Timestamp};

    const HEARTBEAT: Duration = Duration::from_mins(30);

    fn gpu(index: u32, uuid: Option<&str>, address: Option<&str>) -> GpuVerdict {
        GpuVerdict {
            index,
            uuid: uuid.map(str::to_owned),
            name: None,
            serial: None,
            pci_address: address.map(str::to_owned),
            health: Health::Healthy,
            action: None,
        }
    }

    /// What the daemon makes of these findings about the node `one`, which three passes have seen.
    fn state(gpus: Vec<GpuVerdict>, findings: Vec<Finding>) -> State {
        let verdict = Verdict {
            health: Health::Problem,
            gpus,
            action: None,
            findings,
        };
        let senses = [Sense::Host, Sense::Nvml, Sense::Gpu, Sense::KernelLog];
        let sight = senses.into_iter().fold(Sight::default(), Sight::and);
        let mut fold = Fold::new(Vec::new(), SignedDuration::from_hours(1), Memory::default());
        for _ in 0..3 {
            let now = Moment {
                at: Timestamp::now(),
                steady: Duration::ZERO,
            };
            fold.observe(now, &verdict, &sight);
        }
        State::before_the_first_pass(&Config::default(), "one", &fold)
    }

    #[test]
    fn a_code_stands_with_the_gpu_that_it_is_about_and_with_the_node_when_it_is_about_none() {
        let told = |severity, code: &str, subject: &str| Finding::new(severity, code, subject, "m", "c");
        let gpus = vec![
            gpu(0, Some("GPU-a"), Some("0000:18:00.0")),
            gpu(1, None, Some("0000:38:00.0")),
            gpu(2, None, None),
        ];
        let findings = vec![
            told(Severity::Error, "gpu-lost", "one/GPU-a"),
            told(Severity::Error, "ecc-uncorrected", "one/GPU-a"),
            told(Severity::Info, "ecc-corrected-rising", "one/GPU-a"),
            told(Severity::Error, "xid-fatal", "one/0000:38:00.0"),
            told(Severity::Error, "gpu-power-cable", "one/gpu-2"),
            told(Severity::Error, "gpu-count", "one"),
            told(Severity::Error, "gpu-reset-required", "one/GPU-gone"),
        ];
        let marks = Marks::of(&state(gpus, findings), HEARTBEAT);
        let shown: Value = serde_json::from_str(&marks.gpus).unwrap();
        assert_eq!(shown["gpus"][0]["codes"], json!(["ecc-uncorrected", "gpu-lost"]));
        assert_eq!(shown["gpus"][1]["codes"], json!(["xid-fatal"]));
        assert_eq!(shown["gpus"][2]["codes"], json!(["gpu-power-cable"]));
        assert_eq!(shown["codes"], json!(["gpu-count", "gpu-reset-required"]));
        assert_eq!(shown["heartbeat_seconds"], 1800);
    }

    #[test]
    fn what_somebody_else_wrote_under_a_name_of_ours_goes() {
        let marks = Marks::of(&state(Vec::new(), Vec::new()), HEARTBEAT);
        let with = |labels: Value| json!({"metadata": {"labels": labels}});
        let foreign = with(json!({HEALTH: "healthy", ACTION: "reboot", "somebody.example/rack": "7"}));
        let patch = marks.leftovers(&foreign).unwrap();
        assert_eq!(patch, with(json!({ACTION: null})));
        assert_eq!(marks.leftovers(&with(json!({HEALTH: "x", COUNT: "y"}))), None);
        assert_eq!(marks.leftovers(&json!({"metadata": {}})), None);
    }

    #[test]
    fn a_taint_is_added_and_removed_among_others() {
        let other = json!({"key": "somebody.example/reserved", "effect": "NoSchedule"});
        let bare = json!({"metadata": {"resourceVersion": "7"}, "spec": {"taints": [other]}});
        assert_eq!(taint_patch(&bare, None), None);
        let patch = taint_patch(&bare, Some("reset-gpu")).unwrap();
        let tainted = json!({"key": TAINT, "value": "reset-gpu", "effect": "NoSchedule"});
        assert_eq!(
            patch,
            json!({"metadata": {"resourceVersion": "7"}, "spec": {"taints": [other, tainted]}})
        );
        let with = json!({"metadata": {"resourceVersion": "8"}, "spec": {"taints": [tainted, other]}});
        assert_eq!(taint_patch(&with, Some("reset-gpu")), None);
        assert_eq!(taint_patch(&with, None).unwrap()["spec"]["taints"], json!([other]));
        assert_eq!(
            taint_patch(&with, Some("reboot")).unwrap()["spec"]["taints"][1]["value"],
            "reboot"
        );
        assert_eq!(taint_patch(&json!({"metadata": {}, "spec": {}}), None), None);
        let stronger = json!({"key": TAINT, "value": "reset-gpu", "effect": "NoExecute"});
        let stronger = json!({"metadata": {"resourceVersion": "9"}, "spec": {"taints": [stronger]}});
        assert_eq!(
            taint_patch(&stronger, Some("reset-gpu")).unwrap()["spec"]["taints"],
            json!([tainted]),
            "the agent's taint ends no pod that runs, whoever wrote it"
        );
    }
}
