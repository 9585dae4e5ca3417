//! PCIe lanes that are missing. Called by [`super::judge`] only.

use super::{Observation, subject};
use bedplate_protocol::{Finding, Severity};

/// Only the width counts: an idle GPU lowers its link's generation to save power and raises it under load, the number of
/// lanes stays. A warning, for the GPU works, slower. The maximum is what device and slot both support.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in &facts.nvml.gpus {
        if let (Some(width), Some(most)) = (gpu.pcie_width, gpu.pcie_max_width)
            && width < most
        {
            findings.push(
                Finding::new(
                    Severity::Warning,
                    "pcie-link-width",
                    subject(facts, gpu),
                    format!("the PCIe link has {width} of {most} lanes, so copies to and from this GPU are slower"),
                    "power the host off, reseat the card and its riser, and look at the slot's setting in the firmware",
                )
                .with_evidence(format!(
                    "nvmlDeviceGetCurrPcieLinkWidth = {width}, nvmlDeviceGetMaxPcieLinkWidth = {most}"
                )),
            );
        }
    }
    findings
}
