//! The host's memory. Called by [`super::judge`] only.

use super::eviction::Threshold;
use super::{Observation, codes};
use bedplate_protocol::Finding;

/// Hundredths of a percent. systemd-oomd kills at this much (`DefaultMemoryPressureLimit=`, default 60 %, oomd.conf(5)).
const PRESSURE: u32 = 6000;

/// Both are warnings about the node; no GPU is sick for them.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    let memory = &facts.memory;
    let low = Threshold::of(facts, "memory.available");
    if let Some(low) =
        low.filter(|low| memory.total_bytes > 0 && memory.available_bytes < low.limit(memory.total_bytes))
    {
        let message = format!(
            "{} MiB of memory are available; {}",
            memory.available_bytes >> 20,
            low.words
        );
        let cure = "see what uses it: ps -eo pid,rss,cgroup,comm --sort=-rss | head, and give pods memory limits";
        let evidence = format!("/proc/meminfo: MemAvailable of {} bytes in all", memory.total_bytes);
        findings.push(
            codes::NODE_MEMORY_LOW
                .about(facts.hostname.clone(), message, cure)
                .with_evidence(evidence),
        );
    }
    if let Some(share) = facts.pressure.memory_full_avg60.filter(|share| *share >= PRESSURE) {
        let percent = format!("{}.{:02} %", share / 100, share % 100);
        let message = format!("every task has waited for memory {percent} of the last minute");
        let cure = "see which pods use the memory: kubectl top pods -A --sort-by=memory; give them limits or the node fewer of them";
        let evidence = format!("/proc/pressure/memory: full avg60 = {percent}");
        findings.push(
            codes::MEMORY_PRESSURE
                .about(facts.hostname.clone(), message, cure)
                .with_evidence(evidence),
        );
    }
    findings
}
