//! The node: its driver, how many GPUs each source counts, its conditions and its verdict. Called by [`super::text`] only.

use super::super::exposition::{Exposition, Kind, Metric};
use super::{flag, seconds, whole};
use crate::daemon::State;
use crate::health::Status;
use bedplate_protocol::facts::NvmlStatus;
use bedplate_protocol::{NodeFacts, Severity};
use std::collections::BTreeMap;

const DRIVER: Metric = Metric {
    name: "bedplate_gpu_driver_info",
    kind: Kind::Info,
    help: "The versions of the driver's library, its kernel module, and CUDA as the driver supports it.",
};
const NVML: Metric = Metric {
    name: "bedplate_gpu_nvml_state",
    kind: Kind::Gauge,
    help: "1 for the state that NVML is in, 0 for the others.",
};
const DEVICES: Metric = Metric {
    name: "bedplate_gpu_devices",
    kind: Kind::Gauge,
    help: "How many GPUs a source counts; pci above nvml are GPUs that the driver does not have.",
};
const BLOCKED: Metric = Metric {
    name: "bedplate_gpu_blocked_processes",
    kind: Kind::Gauge,
    help: "Processes that hold an NVIDIA device and are in uninterruptible sleep.",
};
const CONDITION: Metric = Metric {
    name: "bedplate_gpu_condition",
    kind: Kind::Gauge,
    help: "1 for the status that a node condition has, 0 for the others; true is the problem.",
};
const TRANSITION: Metric = Metric {
    name: "bedplate_gpu_condition_transition_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When a node condition's status last changed, in seconds since 1970.",
};
const FINDINGS: Metric = Metric {
    name: "bedplate_gpu_findings",
    kind: Kind::Gauge,
    help: "Findings that hold, by their code; /v1/state has each with its evidence and its cure.",
};

pub(super) fn write(text: &mut Exposition<'_>, state: &State) {
    if let Some(facts) = &state.facts {
        driver(text, facts);
    }
    for condition in &state.conditions {
        for (status, name) in [
            (Status::True, "true"),
            (Status::False, "false"),
            (Status::Unknown, "unknown"),
        ] {
            let labels = [("type", condition.kind), ("status", name)];
            text.sample(&CONDITION, &labels, flag(condition.status == status));
        }
    }
    for condition in &state.conditions {
        text.sample(
            &TRANSITION,
            &[("type", condition.kind)],
            seconds(condition.last_transition),
        );
    }
    findings(text, state);
}

fn driver(text: &mut Exposition<'_>, facts: &NodeFacts) {
    let known = |value: &Option<String>| value.clone().unwrap_or_default();
    let (driver, library) = (known(&facts.nvml.driver_version), known(&facts.nvidia.library_version));
    let (module, cuda) = (
        known(&facts.nvidia.module_version),
        known(&facts.nvml.cuda_driver_version),
    );
    if [&driver, &library, &module].iter().any(|version| !version.is_empty()) {
        let labels = [
            ("driver_version", driver.as_str()),
            ("library_version", &library),
            ("module_version", &module),
            ("cuda_version", &cuda),
        ];
        text.sample(&DRIVER, &labels, 1.0);
    }
    let now = match &facts.nvml.status {
        NvmlStatus::Ready => "ready",
        NvmlStatus::LibraryMissing { .. } => "library-missing",
        NvmlStatus::InitFailed { .. } => "init-failed",
        NvmlStatus::Unresponsive { .. } => "unresponsive",
        NvmlStatus::WorkerDied { .. } => "worker-died",
    };
    for name in ["ready", "library-missing", "init-failed", "unresponsive", "worker-died"] {
        text.sample(&NVML, &[("state", name)], flag(name == now));
    }
    // A library that never came back has not said that it has none: that is no GPU missing.
    let cut_off = matches!(
        facts.nvml.status,
        NvmlStatus::Unresponsive { .. } | NvmlStatus::WorkerDied { .. }
    );
    let listed = facts.nvml.gpus.len();
    let in_nvml = (!cut_off || listed > 0).then_some(("nvml", listed));
    for (source, count) in [("pci", facts.gpus_on_pci().len())].into_iter().chain(in_nvml) {
        text.sample(&DEVICES, &[("source", source)], whole(count as u64));
    }
    text.sample(&BLOCKED, &[], whole(facts.blocked_processes.len() as u64));
}

fn findings(text: &mut Exposition<'_>, state: &State) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for finding in state
        .verdict
        .findings
        .iter()
        .filter(|finding| finding.accepted.is_none())
    {
        let severity = match finding.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        *counts.entry((&finding.code, severity)).or_default() += 1;
    }
    for ((code, severity), count) in counts {
        text.sample(&FINDINGS, &[("code", code), ("severity", severity)], whole(count));
    }
}
