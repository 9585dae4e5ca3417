//! Rows of memory that wait to be remapped or could not be. Called by [`super::judge`] only.

use super::{Observation, codes, reset, subject};
use bedplate_protocol::Finding;

/// A pending remapping needs a reset, a failed one a new card once the field diagnostic agrees (NVIDIA GPU Memory Error
/// Management, "Row Remapping" and "RMA Policy", docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt, excerpts read 2026-11-21). Rows that were remapped are repaired and no finding.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in &facts.nvml.gpus {
        let Some(rows) = gpu.row_remapping else { continue };
        let (code, message, cure) = if rows.failed {
            (
                codes::ROW_REMAPPING_FAILED,
                "a row of memory is bad and could not be remapped",
                "drain the node, run NVIDIA's field diagnostic on the card, and have it replaced if that agrees"
                    .to_owned(),
            )
        } else if rows.pending {
            (
                codes::ROW_REMAPPING_PENDING,
                "a row of memory is bad and waits for a reset to be remapped",
                reset(gpu),
            )
        } else {
            continue;
        };
        findings.push(code.about(subject(facts, gpu), message, cure).with_evidence(format!(
            "remapped: {} correctable, {} uncorrectable; pending {}, failed {}",
            rows.correctable, rows.uncorrectable, rows.pending, rows.failed
        )));
    }
    findings
}
