//! Judgements on a host's GPUs: one check a file, each a pure function of facts and expectation.
//!
//! A check reads nothing and changes nothing. Called by the verbs `check` and `session`. What could not be read is never
//! healthy: such findings make the verdict [`Health::Unknown`] unless something is known to be wrong.

mod driver;
mod ecc;
mod inventory;
mod link_width;
mod readable;
mod recovery_action;
mod row_remapping;

use bedplate_protocol::facts::{GpuFacts, PciDevice};
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{Finding, GpuVerdict, Health, NodeFacts, RecommendedAction, Severity, Verdict};

/// Findings that say "could not be read" and not "is wrong".
const NOT_READ: &[&str] = &[
    "nvml-worker-died",
    "nvml-no-permission",
    "gpu-value-unreadable",
    "gpu-not-read",
    "pci-unreadable",
];

/// The driver of devices that are handed to virtual machines whole: NVML cannot and need not see them.
const PASSED_THROUGH: &str = "vfio-pci";

/// What a check judges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    /// One pass over the host.
    pub(crate) facts: &'a NodeFacts,
    /// What should be there, where somebody has said so.
    pub(crate) expect: Option<&'a Expectation>,
}

/// Everything that the checks say, and the worst of it.
pub(crate) fn judge(facts: &NodeFacts, expect: Option<&Expectation>) -> Verdict {
    let seen = Observation { facts, expect };
    let checks = [
        driver::check,
        inventory::check,
        readable::check,
        recovery_action::check,
        ecc::check,
        row_remapping::check,
        link_width::check,
    ];
    let findings: Vec<Finding> = checks.iter().flat_map(|check| check(&seen)).collect();
    let gpus: Vec<GpuVerdict> = facts
        .nvml
        .gpus
        .iter()
        .map(|gpu| {
            let subject = subject(facts, gpu);
            GpuVerdict {
                index: gpu.index,
                uuid: gpu.uuid.clone(),
                name: gpu.name.clone(),
                pci_address: gpu.pci_address.clone(),
                health: worst(findings.iter().filter(|finding| finding.subject == subject)),
                action: action(findings.iter().filter(|finding| finding.subject == subject)),
            }
        })
        .collect();
    Verdict {
        health: worst(findings.iter()),
        action: action(findings.iter()),
        gpus,
        findings,
    }
}

fn worst<'a>(findings: impl Iterator<Item = &'a Finding>) -> Health {
    findings
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| {
            if NOT_READ.contains(&finding.code.as_str()) {
                Health::Unknown
            } else {
                Health::Problem
            }
        })
        .max()
        .unwrap_or(Health::Healthy)
}

/// The highest rung that a finding asks for.
fn action<'a>(findings: impl Iterator<Item = &'a Finding>) -> Option<RecommendedAction> {
    findings.filter_map(|finding| finding.action).max()
}

/// What a finding about a GPU is about: its UUID, else its PCI address, else its index in this pass.
fn subject(facts: &NodeFacts, gpu: &GpuFacts) -> String {
    let name = gpu
        .uuid
        .clone()
        .or_else(|| gpu.pci_address.clone())
        .unwrap_or_else(|| format!("gpu-{}", gpu.index));
    format!("{}/{name}", facts.hostname)
}

/// How a command such as `nvidia-smi --id` names the GPU.
fn id(gpu: &GpuFacts) -> String {
    gpu.uuid.clone().unwrap_or_else(|| gpu.index.to_string())
}

/// GPUs on PCI that this host's own driver should have.
fn gpus_on_pci(facts: &NodeFacts) -> Vec<&PciDevice> {
    facts
        .nvidia_pci
        .iter()
        .filter(|device| device.is_gpu() && device.driver.as_deref() != Some(PASSED_THROUGH))
        .collect()
}

#[cfg(test)]
mod tests;
