//! What NVML told by itself, judged.

use super::*;
use crate::gpu::{Event, EventKind};
use jiff::{SignedDuration, Timestamp};

const AT: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A healthy H100, changed, of which NVML told this one second before it was asked.
fn judged(kind: EventKind, asked_later: i64, change: impl FnOnce(&mut GpuFacts)) -> Verdict {
    let mut facts = healthy(1);
    change(&mut facts.nvml.gpus[0]);
    facts.time.nvml_asked = Some(AT + SignedDuration::from_secs(asked_later));
    let history = History {
        nvml_events: vec![Event {
            at: AT,
            pci_address: facts.nvml.gpus[0].pci_address.clone(),
            uuid: facts.nvml.gpus[0].uuid.clone(),
            kind,
            gpu_instance: None,
            compute_instance: None,
        }],
        ..History::default()
    };
    judge(&Observation {
        facts: &facts,
        expect: None,
        history: &history,
    })
}

fn codes_of(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn what_no_value_explains_is_a_warning_of_that_gpu_and_what_one_explains_is_the_values() {
    let poison = judged(EventKind::FatalPoisonError, 1, |_| ());
    assert_eq!(codes_of(&poison), ["nvml-fatal-poison"]);
    assert_eq!(poison.health, Health::Healthy, "a warning takes no GPU out of use");
    let uuid = poison.gpus[0].uuid.clone().unwrap();
    assert!(
        poison.findings[0].subject.ends_with(&uuid),
        "{}",
        poison.findings[0].subject
    );
    let unavailable = judged(EventKind::GpuUnavailable, 1, |_| ());
    assert_eq!(codes_of(&unavailable), ["nvml-gpu-unavailable"]);
    let explained = judged(EventKind::GpuUnavailable, 1, |gpu| gpu.recovery_action = Some(1));
    assert_eq!(codes_of(&explained), ["recovery-gpu-reset"]);
    let before = judged(EventKind::FatalPoisonError, -1, |_| ());
    assert_eq!(
        codes_of(&before),
        [""; 0],
        "the GPU was asked before: the pass that the event wakes tells"
    );
    let other = judged(EventKind::DramRetirement, 1, |_| ());
    assert_eq!(codes_of(&other), [""; 0], "row remapping has values of its own");
}
