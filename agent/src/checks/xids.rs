//! What NVIDIA's driver reported of GPUs in this boot. Called by [`super::judge`] only.
//!
//! The rule by which an XID stops counting, written down once:
//! 1. A reboot: only events of this boot are looked at. A card's lasting damage has checks of its own (row remapping, ECC).
//! 2. The driver's word "nothing to do", when it comes after the event: NVML's recovery action, asked for [`SETTLED`] after it
//!    or later, else the last XID 154. It is believed of those XIDs only for which this driver would have asked for something
//!    ([`crate::xid::reading`]).
//! 3. The driver's next loading, and a GPU's reset where the driver's recovery action shows it by going back to "nothing": what
//!    the pass before it knew is past (`Fold::forgive`). Both are seen as well when they were done while no agent ran.
//! 4. A reset without that word clears nothing: drivers before field 230 do not say that a GPU was reset, and a fault that is
//!    shown too long costs less than one that is forgotten. A loading of the driver, a reboot, or an override with its reason,
//!    ends it.

use super::codes::{self, Code};
use super::{Observation, subject};
use crate::xid::catalogue::Severity;
use crate::xid::{self, Basis, Reading, Recovery, XidEvent};
use bedplate_protocol::facts::GpuFacts;
use bedplate_protocol::{Finding, NodeFacts};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// The driver writes an XID before it names the recovery that it wants; how long before is not documented. A value asked for
/// sooner is not yet its answer.
const SETTLED: SignedDuration = SignedDuration::from_secs(1);

/// One finding for each GPU and XID of this boot that says more than "worth knowing".
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let events = &seen.history.xids;
    let mut findings: Vec<Finding> = events
        .iter()
        .filter_map(|event| of_event(facts, events, event))
        .collect();
    if let Some(why) = &seen.history.kernel_log_unreadable {
        let message = "the kernel's log could not be read, so XIDs of this boot are unknown";
        let cure = "run as root; in a container, give it /dev/kmsg and CAP_SYSLOG";
        findings.push(
            codes::KERNEL_LOG_UNREADABLE
                .about(facts.hostname.clone(), message, cure)
                .with_evidence(why),
        );
    }
    let lost = seen.history.kernel_log_lost;
    if lost > 0 {
        let message = format!(
            "{lost} records of the kernel's log were overwritten before they could be read, so an XID may have been missed"
        );
        let cure = "find what fills the log (dmesg -T | tail -n 100) and end it, or give the log more room: log_buf_len=4M on the \
                    kernel's command line";
        findings.push(codes::KERNEL_LOG_LOST.about(facts.hostname.clone(), message, cure));
    }
    findings
}

/// GPUs, by UUID and address, of which the driver has said since an XID that nothing is to be done (rule 2): evidence that ends what
/// it began.
pub(crate) fn withdrawn(seen: &Observation<'_>) -> BTreeSet<String> {
    let (facts, events) = (seen.facts, &seen.history.xids);
    let taken_back = |event: &&XidEvent| read(facts, events, event).1.overridden == Some(Recovery::None);
    let of_gpu = |event: &XidEvent| match gpu_of(facts, event) {
        Some(gpu) => [gpu.uuid.clone(), gpu.pci_address.clone()],
        None => [event.uuid.clone(), event.pci_address.clone()],
    };
    events.iter().filter(taken_back).flat_map(of_gpu).flatten().collect()
}

fn gpu_of<'f>(facts: &'f NodeFacts, event: &XidEvent) -> Option<&'f GpuFacts> {
    facts.nvml.gpus.iter().find(|gpu| is_of(event, gpu))
}

/// What an event means for its GPU, which NVML may no longer list.
fn read<'f>(facts: &'f NodeFacts, events: &[XidEvent], event: &XidEvent) -> (Option<&'f GpuFacts>, Reading) {
    let gpu = gpu_of(facts, event);
    let known = xid::Gpu {
        architecture: gpu.and_then(|gpu| gpu.architecture.as_deref()),
        name: gpu.and_then(|gpu| gpu.name.as_deref()),
        driver: facts
            .nvml
            .driver_version
            .as_deref()
            .or(facts.nvidia.module_version.as_deref()),
    };
    (gpu, xid::reading(event, known, last_word(facts, gpu, events, event)))
}

fn of_event(facts: &NodeFacts, events: &[XidEvent], event: &XidEvent) -> Option<Finding> {
    let (gpu, reading) = read(facts, events, event);
    let code = code(&reading)?;
    let about = match (gpu, event.gpu()) {
        (Some(gpu), _) => subject(facts, gpu),
        (None, Some(name)) => format!("{}/{name}", facts.hostname),
        (None, None) => facts.hostname.clone(),
    };
    let number = event.xid.number();
    let message = format!("XID {number} at {}: {}", event.at, reading.meaning());
    let mut finding = code.about(about, message, cure(&reading, number));
    finding.action = reading.action;
    finding.xid = Some(number);
    if !event.line.is_empty() {
        finding = finding.with_evidence(format!("/dev/kmsg: {}", event.line));
    }
    if let Basis::Row(row) = reading.basis {
        finding = finding.with_evidence(format!("{} in {}, read {}", row.name, row.source.url, row.source.read));
    }
    Some(finding)
}

fn is_of(event: &XidEvent, gpu: &GpuFacts) -> bool {
    match (&event.uuid, &event.pci_address) {
        (Some(uuid), _) if gpu.uuid.is_some() => gpu.uuid.as_ref() == Some(uuid),
        (_, Some(address)) => gpu.pci_address.as_ref() == Some(address),
        _ => false,
    }
}

/// What the driver says must be done to the GPU, if it said so after the event.
fn last_word(facts: &NodeFacts, gpu: Option<&GpuFacts>, events: &[XidEvent], event: &XidEvent) -> Option<Recovery> {
    let said = event
        .gpu()
        .and_then(|gpu| xid::said(events, gpu))
        .filter(|(_, told)| (told.at, told.sequence) >= (event.at, event.sequence));
    let since = said.map_or(event.at, |(_, told)| told.at);
    let asked = facts
        .time
        .nvml_asked
        .is_some_and(|asked| asked.duration_since(since) >= SETTLED);
    match gpu.and_then(|gpu| gpu.recovery_action).filter(|_| asked) {
        Some(now) => Some(Recovery::of(now)),
        None => said.map(|(recovery, _)| recovery),
    }
}

/// Nothing for what the driver itself has taken back, and for what is only worth knowing.
fn code(reading: &Reading) -> Option<Code> {
    Some(match (reading.severity, reading.basis) {
        (Severity::Info, _) => return None,
        (_, Basis::NotCovered | Basis::Unused) => codes::XID_NOT_COVERED,
        (Severity::App, _) => codes::XID_APPLICATION,
        (Severity::Warn, _) => codes::XID_WARNING,
        (Severity::Fatal, _) => codes::XID_FATAL,
    })
}

fn cure(reading: &Reading, number: u32) -> String {
    use bedplate_protocol::RecommendedAction as Action;
    let what = match reading.action {
        Some(Action::RestartApp) => "start the workload again",
        Some(Action::ResetGpu) => {
            "drain the node, reset the GPU: systemctl stop bedplate-agent; nvidia-smi --gpu-reset; systemctl start bedplate-agent"
        }
        Some(Action::Reboot) => "drain the node, then reboot it",
        Some(Action::PowerCycle) => "drain the node, then power the host off and on",
        Some(Action::Service) => "drain the node and have the card examined by its vendor",
        None => "nothing now; if it comes again, ask NVIDIA's support",
    };
    format!("{what}; what NVIDIA says of it: bedplate-agent check --catalogue, XID {number}")
}
