//! How far GPUs are from where heat slows them down. Called by [`super::judge`] only.

use super::{Observation, codes, subject};
use bedplate_protocol::facts::GpuFacts;
use bedplate_protocol::{Finding, NodeFacts};

/// Nearer than this a warmer room or a failing fan ends in slowdown; about what a heat sink's temperature differs between two
/// passes under a steady load.
const NEAR: i64 = 3;
const CURE: &str =
    "look at the host's fans, air flow and inlet temperature; clean the heat sink or have its paste renewed";

/// The margin that the driver itself gives, else the distance to the threshold of slowdown. A GPU that says neither is not judged.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in facts.nvml.gpus.iter().filter(|gpu| !gpu.suspended) {
        findings.extend(core(facts, gpu));
        findings.extend(memory(facts, gpu));
    }
    findings
}

fn core(facts: &NodeFacts, gpu: &GpuFacts) -> Option<Finding> {
    let from_threshold = || Some(i64::from(gpu.temperature_slowdown_celsius?) - i64::from(gpu.temperature_celsius?));
    let margin = gpu.temperature_margin_celsius.map(i64::from).or_else(from_threshold)?;
    let code = match margin {
        ..=0 => codes::TEMPERATURE_SLOWDOWN,
        1..=NEAR => codes::TEMPERATURE_NEAR_SLOWDOWN,
        _ => return None,
    };
    let until_off = match (gpu.temperature_shutdown_celsius, gpu.temperature_celsius) {
        (Some(off), Some(now)) => format!(", {} below where it turns itself off", i64::from(off) - i64::from(now)),
        _ => String::new(),
    };
    let message = format!("the GPU is {margin} °C below where its hardware slows down{until_off}");
    let shown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    Some(code.about(subject(facts, gpu), message, CURE).with_evidence(format!(
        "nvmlDeviceGetTemperature = {}, slowdown at {}, nvmlDeviceGetMarginTemperature = {}",
        shown(gpu.temperature_celsius.map(|t| t.to_string())),
        shown(gpu.temperature_slowdown_celsius.map(|t| t.to_string())),
        shown(gpu.temperature_margin_celsius.map(|t| t.to_string()))
    )))
}

fn memory(facts: &NodeFacts, gpu: &GpuFacts) -> Option<Finding> {
    let (now, most) = (gpu.memory_temperature_celsius?, gpu.memory_temperature_max_celsius?);
    (now >= most).then(|| {
        let message = format!("the memory has {now} °C and its limit is {most} °C");
        codes::MEMORY_TEMPERATURE
            .about(subject(facts, gpu), message, CURE)
            .with_evidence(format!(
                "NVML_FI_DEV_MEMORY_TEMP = {now}, NVML_TEMPERATURE_THRESHOLD_MEM_MAX = {most}"
            ))
    })
}
