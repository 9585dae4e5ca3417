//! What NVML told of a GPU by itself and no value that it can be asked for explains. Called by [`super::judge`] only.
//!
//! Most events have a value that says the same and stays: errors, retired memory, the recovery action. Where the value is there, the
//! check of the value speaks; an event without one must not be lost.

use super::codes::{self, Code};
use super::{Observation, id, subject};
use crate::gpu::{Event, EventKind};
use bedplate_protocol::facts::GpuFacts;
use bedplate_protocol::{Finding, NodeFacts};

/// At most one finding for each GPU and kind.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let events = seen.history.nvml_events.iter();
    events.filter_map(|event| of_event(seen.facts, event)).collect()
}

/// Whether an event is one that this check would speak of.
pub(crate) fn speaks_of(kind: EventKind) -> bool {
    code(kind).is_some()
}

fn code(kind: EventKind) -> Option<(Code, &'static str)> {
    match kind {
        EventKind::FatalPoisonError => Some((codes::FATAL_POISON, "poisoned data was consumed")),
        EventKind::GpuUnavailable => Some((codes::GPU_UNAVAILABLE, "the GPU cannot be used")),
        _ => None,
    }
}

fn of_event(facts: &NodeFacts, event: &Event) -> Option<Finding> {
    let (code, what) = code(event.kind)?;
    // Values that were asked for before it explain nothing.
    if facts.time.nvml_asked.is_some_and(|asked| asked < event.at) {
        return None;
    }
    let gpu = facts.nvml.gpus.iter().find(|gpu| is_of(event, gpu));
    if gpu.is_some_and(explains) {
        return None;
    }
    let (about, name) = if let Some(gpu) = gpu {
        (subject(facts, gpu), id(gpu))
    } else {
        let told = event.uuid.as_ref().or(event.pci_address.as_ref());
        let about = told.map_or_else(|| facts.hostname.clone(), |name| format!("{}/{name}", facts.hostname));
        (about, "GPU".to_owned())
    };
    let message = format!("NVML told at {} that {what}; no value of the GPU says why", event.at);
    let cure = format!(
        "read the kernel's log (dmesg | grep -i nvrm); if work on the GPU fails, drain the node and reset it: systemctl stop bedplate-agent; \
         nvidia-smi --gpu-reset --id={name}; systemctl start bedplate-agent"
    );
    Some(code.about(about, message, cure))
}

fn is_of(event: &Event, gpu: &GpuFacts) -> bool {
    match (&event.uuid, &gpu.uuid) {
        (Some(told), Some(uuid)) => told == uuid,
        _ => event.pci_address.is_some() && event.pci_address == gpu.pci_address,
    }
}

/// Whether a check of a value has something to say of the GPU that goes with such an event.
fn explains(gpu: &GpuFacts) -> bool {
    gpu.recovery_action.is_some_and(|action| action != 0)
        || gpu.ecc_uncorrected_volatile.is_some_and(|errors| errors > 0)
        || !gpu.errors.is_empty()
}
