//! Uncorrected memory errors since the driver was loaded. Called by [`super::judge`] only.

use super::{id, subject};
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{Finding, NodeFacts, Severity};

/// One is too many: the data was wrong and nobody knows what used it. A reset clears the volatile counter (nvml.h,
/// `NVML_VOLATILE_ECC`), so a later pass tells whether it comes back.
pub(super) fn check(facts: &NodeFacts, _expect: Option<&Expectation>) -> Vec<Finding> {
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
            format!(
                "nvidia-smi --gpu-reset --id={}; have the card replaced if the errors come back",
                id(gpu)
            ),
        )
        .with_evidence(format!("nvmlDeviceGetTotalEccErrors(uncorrected, volatile) = {errors}"))
    })
    .collect()
}
