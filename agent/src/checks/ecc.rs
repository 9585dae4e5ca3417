//! Uncorrected memory errors since the driver was loaded. Called by [`super::judge`] only.

use super::{Observation, subject};
use bedplate_protocol::{Finding, Severity};

/// One is too many: the data was wrong and nobody knows what used it. The volatile count begins again each time
/// the driver loads (nvml.h of go-nvml v0.13.4-0, `NVML_VOLATILE_ECC`), so a later pass tells whether errors come back.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let sick = facts
        .nvml
        .gpus
        .iter()
        .filter_map(|gpu| Some((gpu, gpu.ecc_uncorrected_volatile.filter(|n| *n > 0)?)));
    sick.map(|(gpu, errors)| {
        Finding::new(
            Severity::Error,
            "ecc-uncorrected",
            subject(facts, gpu),
            format!("{errors} uncorrected memory error(s) since the driver was loaded"),
            "drain the node and reboot it; run NVIDIA's field diagnostic on the card if the errors come back",
        )
        .with_evidence(format!("nvmlDeviceGetTotalEccErrors(uncorrected, volatile) = {errors}"))
    })
    .collect()
}
