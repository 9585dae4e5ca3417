//! The `NVLink` fabric of machines with `NVSwitch`es, and the manager that programs it. Called by [`super::judge`] only.

use super::{Observation, codes, subject};
use bedplate_protocol::facts::{FabricFacts, GpuFacts, NvmlStatus};
use bedplate_protocol::{Finding, NodeFacts};

const MANAGER: &str = "nvidia-fabricmanager.service";
/// PCI class "bridge, other": what `NVSwitch`es of NVIDIA are (PCI Code and ID Assignment r1.11 §1.7; `lspci` of HGX machines
/// shows "Bridge: NVIDIA Corporation … `NVSwitch`").
const BRIDGE: &str = "0x0680";
/// `NVML_GPU_FABRIC_STATE_*`, `NVML_GPU_FABRIC_HEALTH_SUMMARY_*` (nvml.h of go-nvml v0.13.4-0).
const NOT_STARTED: u32 = 1;
const IN_PROGRESS: u32 = 2;
const COMPLETED: u32 = 3;
const UNHEALTHY: u32 = 2;
const LIMITED: u32 = 3;
/// Parts of `healthMask`: first bit, width, what a fault of it is (`NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_*`, the same file).
const PARTS: &[(u32, u32, &str)] = &[
    (0, 2, "degraded bandwidth"),
    (2, 2, "route recovery in progress"),
    (4, 2, "route unhealthy"),
    (6, 2, "access timeout recovery"),
];
/// 1 is true, 2 false, 0 not supported, in each of them.
const TRUE: u32 = 1;
const CONFIGURATION: (u32, u32) = (8, 4);
/// `…_INCORRECT_CONFIGURATION_NONE` is 1 and `…_NOT_SUPPORTED` 0; anything else names a mistake.
const RIGHT: [u32; 2] = [0, 1];

/// How many `NVSwitch`es are this host's own devices.
pub(super) fn own_switches(facts: &NodeFacts) -> usize {
    let devices = facts.nvidia_pci.iter();
    devices.filter(|device| device.class.starts_with(BRIDGE)).count()
}

/// Whether GPUs of this host hang on `NVSwitch`es.
pub(super) fn has_switches(facts: &NodeFacts) -> bool {
    own_switches(facts) > 0
        || facts
            .nvml
            .gpus
            .iter()
            .any(|gpu| gpu.fabric.is_some_and(|fabric| fabric.state != 0))
}

/// The manager's service, then each GPU's registration.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings: Vec<Finding> = manager(facts).into_iter().collect();
    for gpu in facts.nvml.gpus.iter().filter(|gpu| !gpu.suspended) {
        if let Some(fabric) = gpu.fabric {
            findings.extend(registration(facts, gpu, fabric));
        }
    }
    findings
}

/// Only where the switches are this host's own devices: in a machine that shares a fabric of several hosts, the manager may run
/// elsewhere.
pub(super) fn manager(facts: &NodeFacts) -> Option<Finding> {
    let own = own_switches(facts);
    // No unit at all means that systemd was not asked, which is no answer.
    if own == 0 || facts.services.is_empty() || facts.nvml.status != NvmlStatus::Ready {
        return None;
    }
    let unit = facts.services.iter().find(|unit| unit.name == MANAGER);
    let (state, cure) = match unit {
        Some(unit) if unit.active_state == "active" => return None,
        Some(unit) if unit.active_state == "activating" => (
            "still starting".to_owned(),
            format!("wait a minute; if it does not come up: journalctl -u {MANAGER}"),
        ),
        Some(unit) => (
            unit.active_state.clone(),
            format!("systemctl enable --now {MANAGER}; if it fails: journalctl -u {MANAGER}"),
        ),
        None => (
            "not installed".to_owned(),
            format!(
                "install the fabric manager of the driver's version{}, then systemctl enable --now {MANAGER}",
                facts
                    .nvml
                    .driver_version
                    .as_ref()
                    .map_or_else(String::new, |version| format!(" {version}"))
            ),
        ),
    };
    let message = format!("the host has {own} NVSwitch(es) and {MANAGER} is {state}, so CUDA does not initialise");
    Some(
        codes::FABRIC_MANAGER_INACTIVE
            .about(facts.hostname.clone(), message, cure)
            .with_evidence(format!("systemctl show {MANAGER}: ActiveState={state}")),
    )
}

fn registration(facts: &NodeFacts, gpu: &GpuFacts, fabric: FabricFacts) -> Option<Finding> {
    let wrong = faults(fabric.health_mask.unwrap_or_default());
    let restart = format!("systemctl restart {MANAGER}; if it stays, drain the node and reboot it");
    let (code, message, cure) = match (fabric.state, fabric.status, fabric.health_summary) {
        (NOT_STARTED, _, _) => (
            codes::FABRIC_NOT_READY,
            "this GPU's registration with the NVLink fabric has not started".to_owned(),
            restart,
        ),
        (IN_PROGRESS, _, _) => (
            codes::FABRIC_NOT_READY,
            "this GPU's registration with the NVLink fabric is under way".to_owned(),
            format!("wait a minute; then {restart}"),
        ),
        (COMPLETED, Some(status), _) if status != 0 => (
            codes::FABRIC_FAILED,
            format!("this GPU's registration with the NVLink fabric failed with code {status}"),
            restart,
        ),
        (COMPLETED, _, Some(LIMITED)) => (
            codes::FABRIC_LIMITED,
            format!("the NVLink fabric has limited capacity for this GPU{}", named(&wrong)),
            "drain the node when convenient and have its NVLinks examined: nvidia-smi nvlink --status".to_owned(),
        ),
        (COMPLETED, _, summary) if summary == Some(UNHEALTHY) || (summary.is_none() && !wrong.is_empty()) => (
            codes::FABRIC_UNHEALTHY,
            format!("the NVLink fabric is unhealthy for this GPU{}", named(&wrong)),
            restart,
        ),
        _ => return None,
    };
    let mut finding = code.about(subject(facts, gpu), message, cure);
    if fabric.state == IN_PROGRESS {
        // Every boot goes through it.
        finding.action = None;
    }
    Some(finding.with_evidence(format!(
        "nvmlDeviceGetGpuFabricInfoV: state {}, status {}, healthSummary {}, healthMask {:#x}",
        fabric.state,
        fabric.status.map_or_else(|| "unknown".to_owned(), |status| status.to_string()),
        fabric.health_summary.map_or_else(|| "unknown".to_owned(), |summary| summary.to_string()),
        fabric.health_mask.unwrap_or_default()
    )))
}

fn faults(mask: u32) -> Vec<&'static str> {
    let part = |shift: u32, width: u32| (mask >> shift) & ((1 << width) - 1);
    let mut wrong: Vec<&str> = PARTS
        .iter()
        .filter(|(shift, width, _)| part(*shift, *width) == TRUE)
        .map(|(.., name)| *name)
        .collect();
    if !RIGHT.contains(&part(CONFIGURATION.0, CONFIGURATION.1)) {
        wrong.push("incorrect configuration");
    }
    wrong
}

fn named(wrong: &[&str]) -> String {
    if wrong.is_empty() {
        String::new()
    } else {
        format!(": {}", wrong.join(", "))
    }
}
