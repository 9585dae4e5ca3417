//! Pages of memory that were retired, on GPUs before row remapping. Called by [`super::judge`] only.

use super::{Observation, codes, subject};
use bedplate_protocol::Finding;

/// DCGM's limit (`DCGM_LIMIT_MAX_RETIRED_PAGES` of its `dcgm_gpu_hardware_limits`, read 2026-11-21): the table of pages has room
/// for 64.
const LIMIT: u32 = 60;

/// A page takes effect at the next boot (`nvmlDeviceGetRetiredPagesPendingStatus`, nvml.h of go-nvml v0.13.4-0: "need a reboot
/// to fully retire"). Pages that are retired are repaired and no finding until there is hardly room for another.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in &facts.nvml.gpus {
        let Some(pages) = gpu.retired_pages else { continue };
        let evidence = format!(
            "nvmlDeviceGetRetiredPages: {} after single-bit errors, {} after double-bit errors; pending {}",
            pages.single_bit, pages.double_bit, pages.pending
        );
        let retired = pages.single_bit.saturating_add(pages.double_bit);
        if retired >= LIMIT {
            let cure = "drain the node, run NVIDIA's field diagnostic on the card, and have it replaced";
            let message = format!("{retired} pages of memory are retired; at {LIMIT} a card should be replaced");
            findings.push(
                codes::PAGE_RETIREMENT_LIMIT
                    .about(subject(facts, gpu), message, cure)
                    .with_evidence(&evidence),
            );
        }
        if pages.pending {
            let message = "a page of memory is bad and waits for a reboot to be retired";
            findings.push(
                codes::PAGE_RETIREMENT_PENDING
                    .about(subject(facts, gpu), message, "drain the node, then reboot it")
                    .with_evidence(evidence),
            );
        }
    }
    findings
}
