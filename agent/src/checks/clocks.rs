//! Clocks that the hardware slows down. Called by [`super::judge`] only.

use super::codes::Code;
use super::{Observation, codes, subject};
use bedplate_protocol::Finding;
use bedplate_protocol::facts::GpuFacts;
use jiff::SignedDuration;

/// `nvmlClocksEventReasonHwSlowdown`, `…HwThermalSlowdown`, `…HwPowerBrakeSlowdown` (nvml.h of go-nvml v0.13.4-0). The first is set
/// with either of the others. Software's own limits (power cap, application clocks) are how a GPU is meant to run.
const SLOWDOWN: u64 = 0x8;
const THERMAL: u64 = 0x40;
const POWER_BRAKE: u64 = 0x80;

/// A reason that holds in at least this share of the window is a state and no spike: hardware slows down for moments by design,
/// when load jumps, and a GPU that is slowed most of the time keeps every GPU of its job waiting.
const SUSTAINED_PERCENT: usize = 50;
/// The window must reach back this far before a share means anything: a moment's throttling would fill a shorter one.
const SHORTEST: SignedDuration = SignedDuration::from_mins(5);

/// Why, and what to do.
const REASONS: &[(u64, Code, &str, &str)] = &[
    (
        THERMAL,
        codes::CLOCK_THERMAL,
        "heat",
        "look at the host's fans, air flow and inlet temperature; clean the heat sink or have its paste renewed",
    ),
    (
        POWER_BRAKE,
        codes::CLOCK_POWER_BRAKE,
        "the power supply's brake signal",
        "look at the host's power supplies in its BMC: one may have failed, or the rack's power is capped",
    ),
    (
        SLOWDOWN,
        codes::CLOCK_SLOWDOWN,
        "hardware slowdown",
        "look at temperature and power: nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER",
    ),
];

/// An error for a reason that lasts, a warning for one of this moment.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    seen.facts
        .nvml
        .gpus
        .iter()
        .filter(|gpu| !gpu.suspended)
        .filter_map(|gpu| judge(seen, gpu))
        .collect()
}

fn judge(seen: &Observation<'_>, gpu: &GpuFacts) -> Option<Finding> {
    let facts = seen.facts;
    let now = gpu.clock_event_reasons?;
    let earlier: Vec<_> = seen
        .history
        .of(gpu)
        .filter_map(|(at, old)| Some((at, old.clock_event_reasons?)))
        .collect();
    let bits = || earlier.iter().map(|(_, bits)| *bits).chain([now]);
    let long_enough = earlier
        .first()
        .is_some_and(|(first, _)| facts.time.now.duration_since(*first) >= SHORTEST);
    let evidence = format!("nvmlDeviceGetCurrentClocksEventReasons = {now:#x}");
    for (bit, code, why, cure) in REASONS {
        let held = bits().filter(|bits| bits & bit != 0).count();
        let all = earlier.len() + 1;
        if long_enough && held * 100 >= all * SUSTAINED_PERCENT {
            let message = format!("{why} slowed the clocks in {held} of the last {all} passes");
            return Some(code.about(subject(facts, gpu), message, *cure).with_evidence(evidence));
        }
    }
    let (_, _, why, cure) = REASONS.iter().find(|(bit, ..)| now & bit != 0)?;
    let message = format!("{why} slows the clocks now");
    Some(
        codes::CLOCK_SLOWED_NOW
            .about(subject(facts, gpu), message, *cure)
            .with_evidence(evidence),
    )
}
