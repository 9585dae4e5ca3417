//! `NVLink`s that are down or make errors. Called by [`super::judge`] only.

use super::history::growth;
use super::{Observation, codes, fabric, reset, subject};
use bedplate_protocol::facts::{GpuFacts, NvLinkFacts};
use bedplate_protocol::{Finding, NodeFacts};
use jiff::Timestamp;

/// "RM has informed us that CRC errors only matter at rates of 100+ per second" (`DCGM_LIMIT_MAX_LWLINK_CRC_ERROR` of DCGM's
/// `dcgm_gpu_hardware_limits`, read 2026-11-21). Of replays and recoveries one is enough there (`DCGM_LIMIT_MAX_LWLINK_ERROR`).
const MOST_CRC_PER_SECOND: u64 = 100;

/// Links that should be up, and counters that rise.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in facts.nvml.gpus.iter().filter(|gpu| !gpu.suspended) {
        findings.extend(down(facts, gpu));
        findings.extend(errors(seen, gpu));
    }
    findings
}

/// A link that the product has need not be wired: bridges are sold apart. So a link that is down counts only where the same
/// link of another GPU of the same product in this host is up. With `NVSwitch`es of this host every link is wired, and a GPU without any
/// is a fault; a machine that got a part of the switches has some links down on all GPUs for good. While their manager does not run,
/// that is said instead, for it is what brings links up.
fn down(facts: &NodeFacts, gpu: &GpuFacts) -> Option<Finding> {
    let none_up = !gpu.nvlinks.iter().any(|link| link.active == Some(true));
    // "On DGX A100 and NVIDIA HGX A100 systems, the corresponding GPU NVLinks and NVSwitch side NVLinks are trained off when MIG mode is
    // enabled" (NVIDIA's Fabric Manager guide, "Interoperability with MIG", read 2026-11-22).
    if none_up && gpu.mig_enabled == Some(true) {
        return None;
    }
    let twins = || {
        facts
            .nvml
            .gpus
            .iter()
            .filter(|other| other.index != gpu.index && other.name == gpu.name)
    };
    let up_elsewhere = |link: u32| {
        twins().any(|twin| {
            twin.nvlinks
                .iter()
                .any(|other| other.link == link && other.active == Some(true))
        })
    };
    let wired = fabric::own_switches(facts) > 0 && fabric::manager(facts).is_none();
    let all_down = gpu.nvlinks.iter().filter(|link| link.active == Some(false));
    let (unlike, alike): (Vec<_>, Vec<_>) = all_down.partition(|link| up_elsewhere(link.link));
    let numbers = |links: &[&NvLinkFacts]| {
        let numbers: Vec<String> = links.iter().map(|link| link.link.to_string()).collect();
        numbers.join(", ")
    };
    let sure = if wired && none_up { &alike } else { &unlike };
    if sure.is_empty() {
        let finding = codes::NVLINK_UNBRIDGED.about(
            subject(facts, gpu),
            format!("NVLinks that lead to NVSwitches are down, the same on every GPU of this host: {}", numbers(&alike)),
            "look whether every NVSwitch works (nvidia-smi nvlink --status; journalctl -u nvidia-fabricmanager); in a virtual machine \
             that got a part of them, nothing is wrong",
        );
        return (wired && !alike.is_empty()).then(|| finding.with_evidence("nvmlDeviceGetNvLinkState = 0"));
    }
    let (code, cure) = if fabric::has_switches(facts) {
        let cure = format!(
            "drain the node and reset the GPU ({}); if the link stays down, have the board examined",
            reset(gpu)
        );
        (codes::NVLINK_INACTIVE, cure)
    } else {
        let cure = "power the host off and reseat the NVLink bridge; if there is none on purpose, nothing is wrong";
        (codes::NVLINK_UNBRIDGED, cure.to_owned())
    };
    let message = format!(
        "{} of {} NVLinks are down that {}: {}",
        sure.len(),
        gpu.nvlinks.len(),
        if wired && none_up {
            "lead to NVSwitches".to_owned()
        } else {
            format!("another {} in this host has up", gpu.name.as_deref().unwrap_or("GPU"))
        },
        numbers(sure)
    );
    Some(
        code.about(subject(facts, gpu), message, cure)
            .with_evidence("nvmlDeviceGetNvLinkState = 0"),
    )
}

fn errors(seen: &Observation<'_>, gpu: &GpuFacts) -> Option<Finding> {
    let now = seen.facts.time.now;
    let mut rising = Vec::new();
    for link in &gpu.nvlinks {
        let grown = |value: fn(&NvLinkFacts) -> Option<u64>| {
            let earlier = seen.history.of(gpu).filter_map(|(at, old)| {
                let same = old.nvlinks.iter().find(|other| other.link == link.link)?;
                Some::<(Timestamp, u64)>((at, value(same)?))
            });
            growth(earlier, (now, value(link)?))
        };
        for (name, value) in [
            ("replay", grown(|link| link.replays)),
            ("recovery", grown(|link| link.recoveries)),
        ] {
            if let Some((count, within)) = value.filter(|(count, _)| *count > 0) {
                rising.push(format!(
                    "link {}: {count} {name} error(s) within {} s",
                    link.link,
                    within.as_secs()
                ));
            }
        }
        if let Some((count, within)) = grown(|link| link.crc_errors)
            && count >= MOST_CRC_PER_SECOND.saturating_mul(within.as_secs().unsigned_abs().max(1))
        {
            rising.push(format!(
                "link {}: {count} checksum errors within {} s",
                link.link,
                within.as_secs()
            ));
        }
    }
    let first = rising.first()?.clone();
    let finding = codes::NVLINK_ERRORS.about(
        subject(seen.facts, gpu),
        format!("errors of {} NVLink counter(s) are rising; {first}", rising.len()),
        "drain the node when convenient and reset the GPU; if they go on, have the link's bridge or board examined",
    );
    Some(rising.into_iter().fold(finding, Finding::with_evidence))
}
