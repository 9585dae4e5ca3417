//! What NVIDIA's driver itself says must be done to a GPU. Called by [`super::judge`] only.

use super::{Observation, codes, reset, subject};
use bedplate_protocol::Finding;

/// Field 230, `nvmlDeviceGpuRecoveryAction_t` (nvml.h of go-nvml v0.13.4-0, read 2026-11-21). It outlives the event that
/// caused it, when every counter is zero again. An action that this build does not know is as grave as the gravest; a
/// driver without the field says nothing, which is not "none".
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for gpu in &facts.nvml.gpus {
        let reset = reset(gpu);
        let (code, what, cure) = match gpu.recovery_action {
            None | Some(0) => continue,
            Some(1) => (codes::RECOVERY_GPU_RESET, "reset this GPU".to_owned(), reset),
            Some(2) => (
                codes::RECOVERY_NODE_REBOOT,
                "reboot the node".to_owned(),
                "drain the node, then reboot it".to_owned(),
            ),
            Some(3) => (
                codes::RECOVERY_DRAIN_P2P,
                "stop what uses peer-to-peer traffic".to_owned(),
                "end the pods that use this GPU together with others (kubectl drain)".to_owned(),
            ),
            Some(4) => (
                codes::RECOVERY_DRAIN_AND_RESET,
                "drain, then reset this GPU".to_owned(),
                format!("drain the node, then {reset}"),
            ),
            Some(5) => (
                codes::RECOVERY_IMEX_DOMAIN,
                "recover the IMEX domain".to_owned(),
                "this may concern other nodes too: drain the nodes of the domain, then restart its IMEX service"
                    .to_owned(),
            ),
            Some(6) => (
                codes::RECOVERY_BUS_RESET,
                "reset this GPU's PCIe bus".to_owned(),
                "drain the node, then power the host off and on".to_owned(),
            ),
            Some(7) => (
                codes::RECOVERY_SYSTEM_REBOOT,
                "reboot the system".to_owned(),
                "drain the node, then reboot it".to_owned(),
            ),
            Some(other) => (
                codes::RECOVERY_UNKNOWN,
                format!("take action {other}, which this build does not know"),
                "drain the node and reboot it; read nvidia-smi -q for the action's name".to_owned(),
            ),
        };
        findings.push(
            code.about(subject(facts, gpu), format!("the driver asks to {what}"), cure)
                .with_evidence(format!(
                    "NVML_FI_DEV_GET_GPU_RECOVERY_ACTION = {}",
                    gpu.recovery_action.unwrap_or_default()
                )),
        );
    }
    findings
}
