//! The infoROM's checksum. Called by [`super::judge`] only.

use super::readable::CORRUPTED_INFOROM;
use super::{Observation, codes, subject};
use bedplate_protocol::Finding;

/// `nvmlDeviceValidateInforom` said no. A GPU whose calls fail for the same reason has its finding from there.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let corrupted = facts.nvml.gpus.iter().filter(|gpu| {
        gpu.inforom_valid == Some(false) && !gpu.errors.iter().any(|error| error.code == Some(CORRUPTED_INFOROM))
    });
    corrupted
        .map(|gpu| {
            let message = "the GPU's infoROM is corrupted, so its settings and error counts cannot be relied on";
            codes::INFOROM
                .about(subject(facts, gpu), message, "have the card replaced by its vendor")
                .with_evidence("nvmlDeviceValidateInforom: the checksum is wrong")
        })
        .collect()
}
