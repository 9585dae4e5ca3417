//! Whether the GPUs that NVML lists are those on PCI and those that were expected. Called by [`super::judge`] only.

use super::codes::Code;
use super::{Observation, codes, subject};
use bedplate_protocol::facts::NvmlStatus;
use bedplate_protocol::{Finding, NodeFacts};
use std::collections::BTreeSet;

const RESEAT: &str = "look at dmesg | grep -i nvrm, power the host off and on, and reseat the card if it stays away";

/// PCI against NVML, then both against the expectation.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let (facts, expect) = (seen.facts, seen.expect);
    let mut findings = Vec::new();
    let on_pci = facts.gpus_on_pci();
    let ready = facts.nvml.status == NvmlStatus::Ready;
    if ready && on_pci.len() != facts.nvml.gpus.len() {
        let known: BTreeSet<&str> = facts
            .nvml
            .gpus
            .iter()
            .filter_map(|gpu| gpu.pci_address.as_deref())
            .collect();
        let missing: Vec<&str> = on_pci
            .iter()
            .map(|device| device.address.as_str())
            .filter(|address| !known.contains(address))
            .collect();
        let mut finding = node(
            facts,
            codes::GPU_INVENTORY,
            format!(
                "PCI has {} GPU(s) and NVML lists {}",
                on_pci.len(),
                facts.nvml.gpus.len()
            ),
            RESEAT,
        );
        if !missing.is_empty() {
            finding = finding.with_evidence(format!("on PCI and not in NVML: {}", missing.join(", ")));
        }
        findings.push(finding);
    }
    let Some(expect) = expect else { return findings };
    if let Some(wanted) = expect.gpus {
        let (there, source) = if ready {
            (facts.nvml.gpus.len(), "NVML lists")
        } else {
            (on_pci.len(), "PCI has")
        };
        if u32::try_from(there).ok() != Some(wanted) {
            let message = format!("{wanted} GPU(s) are expected and {source} {there}");
            let cure = format!("{RESEAT}; or correct the expectation to {there}");
            findings.push(node(facts, codes::GPU_COUNT, message, &cure));
        }
    }
    if let Some(model) = &expect.model {
        let wanted = model.to_lowercase();
        for gpu in &facts.nvml.gpus {
            if let Some(name) = &gpu.name
                && !name.to_lowercase().contains(&wanted)
            {
                findings.push(codes::GPU_MODEL.about(
                    subject(facts, gpu),
                    format!("{model} is expected and this is {name}"),
                    format!("put the right card in, or correct the expectation to a part of {name:?}"),
                ));
            }
        }
    }
    findings
}

fn node(facts: &NodeFacts, code: Code, message: String, cure: &str) -> Finding {
    code.about(facts.hostname.clone(), message, cure)
}
