//! MIG devices against MIG mode. Called by [`super::judge`] only.

use super::{Observation, codes, id, reset, subject};
use bedplate_protocol::Finding;

/// With MIG on, CUDA sees the GPU's MIG devices only, so none means that nothing can run (NVIDIA Multi-Instance GPU User Guide,
/// "Creating GPU Instances"). A GPU whose calls failed is not judged: what it lacks may just not have been read.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in facts
        .nvml
        .gpus
        .iter()
        .filter(|gpu| !gpu.suspended && gpu.errors.is_empty())
    {
        let finding = match (gpu.mig_enabled, gpu.mig_devices.len()) {
            (Some(true), 0) => codes::MIG_WITHOUT_DEVICES.about(
                subject(facts, gpu),
                "MIG is on and there is no MIG device, so no pod can use this GPU",
                format!(
                    "nvidia-smi mig -i {0} -lgip, then nvidia-smi mig -i {0} -cgi PROFILE -C",
                    id(gpu)
                ),
            ),
            (Some(false), devices @ 1..) => codes::MIG_DEVICES_WITHOUT_MODE.about(
                subject(facts, gpu),
                format!("MIG is off and NVML lists {devices} MIG device(s)"),
                format!("{}, which completes the change of mode", reset(gpu)),
            ),
            _ => continue,
        };
        findings.push(finding.with_evidence(format!(
            "nvmlDeviceGetMigMode: {}; {} MIG device(s)",
            if gpu.mig_enabled == Some(true) { "on" } else { "off" },
            gpu.mig_devices.len()
        )));
    }
    findings
}
