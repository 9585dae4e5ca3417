//! GPUs whose calls fail: lost, in need of a reset, or not read at all. Called by [`super::judge`] only.

use super::{Observation, codes, reset, subject};
use bedplate_protocol::facts::{GpuFacts, NvmlCallError, NvmlStatus};
use bedplate_protocol::{Finding, NodeFacts};

/// `nvmlReturn_t` of nvml.h (go-nvml v0.13.4-0): `CORRUPTED_INFOROM`, `GPU_IS_LOST`, `RESET_REQUIRED`, `IRQ_ISSUE`,
/// `INSUFFICIENT_POWER`.
pub(super) const CORRUPTED_INFOROM: i32 = 14;
const GPU_IS_LOST: i32 = 15;
const RESET_REQUIRED: i32 = 16;
const IRQ_ISSUE: i32 = 11;
const INSUFFICIENT_POWER: i32 = 8;

/// One finding a GPU with failed calls: its gravest.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    facts.nvml.gpus.iter().filter_map(|gpu| judge(facts, gpu)).collect()
}

fn judge(facts: &NodeFacts, gpu: &GpuFacts) -> Option<Finding> {
    let first = gpu.errors.first()?;
    let known = [
        GPU_IS_LOST,
        RESET_REQUIRED,
        INSUFFICIENT_POWER,
        IRQ_ISSUE,
        CORRUPTED_INFOROM,
    ];
    let gravest = known
        .iter()
        .find_map(|code| gpu.errors.iter().find(|error| error.code == Some(*code)));
    let (code, message, cure) = match gravest.and_then(|error| error.code) {
        Some(GPU_IS_LOST) => (
            codes::GPU_LOST,
            "the GPU has fallen off the bus",
            "drain the node and reboot it; if the GPU stays away, power the host off and on, and replace the card if it happens again"
                .to_owned(),
        ),
        Some(RESET_REQUIRED) => {
            (codes::RESET_REQUIRED, "the GPU must be reset before it can be used", reset(gpu))
        }
        Some(INSUFFICIENT_POWER) => (
            codes::POWER_CABLE,
            "the GPU's power cables are not properly attached",
            "power the host off and attach them".to_owned(),
        ),
        Some(IRQ_ISSUE) => (codes::GPU_IRQ, "the kernel has an interrupt problem with the GPU", "reboot the host".to_owned()),
        Some(CORRUPTED_INFOROM) => {
            (codes::INFOROM, "the GPU's infoROM is corrupted", "have the card replaced by its vendor".to_owned())
        }
        _ => return Some(unread(facts, gpu, first)),
    };
    let finding = code.about(subject(facts, gpu), message, cure);
    let finding = finding.with_evidence(evidence(gravest.unwrap_or(first)));
    Some(match missing_address(facts, gpu) {
        Some(address) => finding.with_evidence(format!(
            "the only GPU on PCI that NVML gives no handle for is {address}"
        )),
        None => finding,
    })
}

fn unread(facts: &NodeFacts, gpu: &GpuFacts, first: &NvmlCallError) -> Finding {
    let cure =
        "bedplate-agent check again; if it stays, read the kernel's log (dmesg | grep -i nvrm) and reboot the host";
    let finding = if facts.nvml.status == NvmlStatus::Ready {
        let message = format!(
            "{} of this GPU could not be read, so it is not proven healthy",
            first.call
        );
        codes::VALUE_UNREADABLE.about(subject(facts, gpu), message, cure)
    } else {
        let message = "this GPU was not read, because NVML stopped before";
        codes::NOT_READ.about(subject(facts, gpu), message, "see the finding about NVML")
    };
    gpu.errors
        .iter()
        .fold(finding, |finding, error| finding.with_evidence(evidence(error)))
}

fn evidence(error: &NvmlCallError) -> String {
    let code = error.code.map_or_else(String::new, |code| format!(" = {code}"));
    format!("{}{code}: {}", error.call, error.detail)
}

/// The PCI address of a GPU without a handle, where only one can be meant.
fn missing_address(facts: &NodeFacts, gpu: &GpuFacts) -> Option<String> {
    if gpu.pci_address.is_some()
        || facts
            .nvml
            .gpus
            .iter()
            .filter(|other| other.pci_address.is_none())
            .count()
            != 1
    {
        return None;
    }
    let known = |address: &str| {
        facts
            .nvml
            .gpus
            .iter()
            .any(|other| other.pci_address.as_deref() == Some(address))
    };
    let unknown: Vec<_> = facts
        .gpus_on_pci()
        .into_iter()
        .filter(|device| !known(&device.address))
        .collect();
    match unknown.as_slice() {
        [device] => Some(device.address.clone()),
        _ => None,
    }
}
