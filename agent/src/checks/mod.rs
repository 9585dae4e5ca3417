//! Judgements on a host's GPUs: one check a file, each a pure function of an [`Observation`].
//!
//! A check reads nothing and changes nothing. Called by the verbs `check` and `session` and by the daemon, which knows earlier
//! passes too. What could not be read is never healthy: such findings make the verdict [`Health::Unknown`] unless something is
//! known to be wrong. A value that a product does not have (`NOT_SUPPORTED`) is absent from the facts and judged by nobody, so
//! no check lists products; nor is what a GPU that sleeps was not asked.

mod blocked;
mod clocks;
pub(crate) mod codes;
mod device_nodes;
mod disk;
mod drift;
mod driver;
mod ecc;
mod eviction;
mod expectation;
mod fabric;
mod history;
mod inforom;
mod inventory;
mod memory;
mod mig;
mod nvlink;
pub(crate) mod nvml_events;
mod pcie_link;
mod pcie_replays;
mod persistence;
mod readable;
mod recovery_action;
mod retired_pages;
mod row_remapping;
mod temperature;
mod xids;

use bedplate_protocol::facts::GpuFacts;
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{Finding, GpuVerdict, Health, NodeFacts, RecommendedAction, Severity, Verdict};
pub(crate) use history::{History, WINDOW};
pub(crate) use xids::withdrawn;

/// What a check judges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    /// One pass over the host.
    pub(crate) facts: &'a NodeFacts,
    /// What should be there, where somebody has said so.
    pub(crate) expect: Option<&'a Expectation>,
    /// What earlier passes have seen; [`History::default`] where there were none.
    pub(crate) history: &'a History,
}

/// The order is that of cause before effect, which is how findings are printed.
const CHECKS: &[fn(&Observation<'_>) -> Vec<Finding>] = &[
    driver::check,
    device_nodes::check,
    inventory::check,
    expectation::check,
    readable::check,
    recovery_action::check,
    ecc::check,
    row_remapping::check,
    retired_pages::check,
    inforom::check,
    pcie_link::check,
    pcie_replays::check,
    nvlink::check,
    fabric::check,
    clocks::check,
    temperature::check,
    persistence::check,
    mig::check,
    blocked::check,
    drift::check,
    disk::check,
    memory::check,
    xids::check,
    nvml_events::check,
];

/// Everything that the checks say, and the worst of it.
pub(crate) fn judge(seen: &Observation<'_>) -> Verdict {
    let facts = seen.facts;
    let findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(seen)).collect();
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
                serial: gpu.serial.clone(),
                pci_address: gpu.pci_address.clone(),
                health: worst(findings.iter().filter(|finding| finding.subject == subject)),
                action: action(&findings.iter().filter(|finding| finding.subject == subject)),
            }
        })
        .collect();
    Verdict {
        health: worst(findings.iter()),
        action: action(&findings.iter()),
        gpus,
        findings,
    }
}

fn worst<'a>(findings: impl Iterator<Item = &'a Finding>) -> Health {
    findings
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| {
            if codes::of(finding).is_some_and(|code| code.unread) {
                Health::Unknown
            } else {
                Health::Problem
            }
        })
        .max()
        .unwrap_or(Health::Healthy)
}

/// The highest rung that an error asks for; without one, that anything asks for. A slow link's visit by a person must not hide
/// that a GPU wants its reset now.
fn action<'a>(findings: &(impl Iterator<Item = &'a Finding> + Clone)) -> Option<RecommendedAction> {
    let asked = |severity| {
        findings
            .clone()
            .filter(move |f| f.severity == severity)
            .filter_map(|f| f.action)
            .max()
    };
    asked(Severity::Error).or_else(|| asked(Severity::Warning))
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

/// How a GPU is reset: the driver refuses while it has a client, and this agent's own session is one.
fn reset(gpu: &GpuFacts) -> String {
    format!(
        "systemctl stop bedplate-agent; nvidia-smi --gpu-reset --id={}; systemctl start bedplate-agent",
        id(gpu)
    )
}

#[cfg(test)]
mod tests;
