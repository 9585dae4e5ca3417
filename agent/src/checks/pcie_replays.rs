//! PCIe packets that had to be sent again. Called by [`super::judge`] only.

use super::history::growth;
use super::{Observation, codes, subject};
use bedplate_protocol::Finding;

/// "8 replays per minute is the maximum recommended by RM", NVIDIA's resource manager (`DCGM_LIMIT_MAX_PCIREPLAY_RATE` of DCGM's
/// `dcgm_gpu_hardware_limits`, read 2026-11-21).
const MOST_PER_MINUTE: u64 = 8;

/// The count says nothing without time, so a one-shot check is silent.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in &facts.nvml.gpus {
        let Some(now) = gpu.pcie_replays else { continue };
        let earlier = seen
            .history
            .of(gpu)
            .filter_map(|(at, old)| Some((at, old.pcie_replays?)));
        let Some((grown, within)) = growth(earlier, (facts.time.now, now)) else {
            continue;
        };
        let seconds = within.as_secs().unsigned_abs();
        // A minute at least: a handful within the first seconds is no rate.
        if seconds < 60 || grown.saturating_mul(60) <= MOST_PER_MINUTE.saturating_mul(seconds) {
            continue;
        }
        findings.push(
            codes::PCIE_REPLAYS
                .about(
                    subject(facts, gpu),
                    format!("{grown} PCIe packets were sent again within {seconds} s; NVIDIA's limit is {MOST_PER_MINUTE} a minute"),
                    "power the host off, reseat the card and its riser, and look for PCIe errors in the kernel's log \
                     (dmesg | grep -i aer)",
                )
                .with_evidence(format!("nvmlDeviceGetPcieReplayCounter = {now}")),
        );
    }
    findings
}
