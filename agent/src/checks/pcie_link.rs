//! PCIe lanes that are missing, and a generation that is too low. Called by [`super::judge`] only.

use super::{Observation, codes, subject};
use bedplate_protocol::Finding;
use bedplate_protocol::facts::GpuFacts;

const CURE: &str =
    "power the host off, reseat the card and its riser, and look at the slot's width and speed in the firmware's setup";
/// P0 to P2 are the states in which a GPU computes; from P8 on it idles (nvml.h of go-nvml v0.13.4-0, `nvmlPstates_t`: 0 is the
/// maximum performance, 15 the minimum; compute contexts of `GeForce` cards run in P2).
const WORKING: u32 = 2;

/// Both "may be reduced when the GPU is not in use" (nvidia-smi(1), "PCIe link generation" and "Link Width"), so they count only
/// under load; a narrow link of an idle GPU is worth a look and no more. Warnings, for the GPU works, slower. The maximum is what
/// device and slot both support.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in facts.nvml.gpus.iter().filter(|gpu| !gpu.suspended) {
        let load = format!(
            "performance state {}, utilisation {} %",
            gpu.performance_state
                .map_or_else(|| "unknown".to_owned(), |p| format!("P{p}")),
            gpu.utilization_gpu_percent
                .map_or_else(|| "unknown".to_owned(), |u| u.to_string())
        );
        if let (Some(width), Some(most)) = (gpu.pcie_width, gpu.pcie_max_width)
            && width < most
        {
            let evidence = format!("nvmlDeviceGetCurrPcieLinkWidth = {width}, nvmlDeviceGetMaxPcieLinkWidth = {most}");
            let finding = if works(gpu) {
                let message =
                    format!("the PCIe link has {width} of {most} lanes, so copies to and from this GPU are slower");
                codes::LINK_WIDTH.about(subject(facts, gpu), message, CURE)
            } else {
                let message = format!("the PCIe link has {width} of {most} lanes while the GPU is idle");
                let cure = "check again under load: a link may be narrower while the GPU is not in use";
                codes::LINK_WIDTH_IDLE.about(subject(facts, gpu), message, cure)
            };
            findings.push(finding.with_evidence(evidence).with_evidence(&load));
        }
        if let (Some(generation), Some(most)) = (gpu.pcie_generation, gpu.pcie_max_generation)
            && generation < most
            && works(gpu)
        {
            let message = format!("the PCIe link runs at generation {generation} of {most} under load");
            let evidence = format!(
                "nvmlDeviceGetCurrPcieLinkGeneration = {generation}, nvmlDeviceGetMaxPcieLinkGeneration = {most}"
            );
            let finding = codes::LINK_GENERATION.about(subject(facts, gpu), message, CURE);
            findings.push(finding.with_evidence(evidence).with_evidence(load));
        }
    }
    findings
}

/// Whether the GPU is known to be in a state in which its link must be at its best.
fn works(gpu: &GpuFacts) -> bool {
    gpu.performance_state.is_some_and(|state| state <= WORKING)
        && gpu.utilization_gpu_percent.is_some_and(|used| used > 0)
}
