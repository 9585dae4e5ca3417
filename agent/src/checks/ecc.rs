//! Memory errors that ECC saw. Called by [`super::judge`] only.

use super::history::growth;
use super::{Observation, codes, reset, subject};
use bedplate_protocol::Finding;

/// One uncorrected error is too many: the data was wrong and nobody knows what used it. The volatile count begins again each
/// time the driver loads (nvml.h of go-nvml v0.13.4-0, `NVML_VOLATILE_ECC`), which is how the finding clears. A corrected
/// error is ECC at work: worth knowing where the count rises, never a fault. The SRAM flag outlives loads: the driver sets it at
/// a number that NVIDIA chose for the product (`nvmlEccSramErrorStatus_v1_t.bThresholdExceeded`, the same file).
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in &facts.nvml.gpus {
        if gpu.ecc_sram_threshold_exceeded == Some(true) {
            findings.push(
                codes::ECC_SRAM_THRESHOLD
                    .about(
                        subject(facts, gpu),
                        "SRAM errors are past the number at which NVIDIA wants this card examined",
                        "drain the node, run NVIDIA's field diagnostic on the card, and have it replaced if that agrees",
                    )
                    .with_evidence("nvmlDeviceGetSramEccErrorStatus: bThresholdExceeded = 1"),
            );
        }
        if let Some(errors) = gpu.ecc_uncorrected_volatile.filter(|errors| *errors > 0) {
            let cure = format!(
                "drain the node and reset the GPU ({}) or reboot; run NVIDIA's field diagnostic on \
                 the card if the errors come back",
                reset(gpu)
            );
            findings.push(
                codes::ECC_UNCORRECTED
                    .about(
                        subject(facts, gpu),
                        format!("{errors} uncorrected memory error(s) since the driver was loaded"),
                        cure,
                    )
                    .with_evidence(format!("nvmlDeviceGetTotalEccErrors(uncorrected, volatile) = {errors}")),
            );
        }
        let earlier = seen
            .history
            .of(gpu)
            .filter_map(|(at, old)| Some((at, old.ecc_corrected_volatile?)));
        if let Some(now) = gpu.ecc_corrected_volatile
            && let Some((grown, within)) = growth(earlier, (facts.time.now, now))
            && grown > 0
        {
            let message = format!("{grown} memory error(s) corrected within {} s", within.as_secs());
            findings.push(
                codes::ECC_CORRECTED_RISING
                    .about(subject(facts, gpu), message, "")
                    .with_evidence(format!("nvmlDeviceGetTotalEccErrors(corrected, volatile) = {now}")),
            );
        }
    }
    findings
}
