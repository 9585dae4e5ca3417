//! Device nodes that a container needs and a working driver lacks. Called by [`super::judge`] only.

use super::{Observation, codes, driver, subject};
use bedplate_protocol::Finding;
use bedplate_protocol::facts::NvmlStatus;

const UVM: &str = "/dev/nvidia-uvm";
const UVM_TOOLS: &str = "/dev/nvidia-uvm-tools";

/// NVML itself needs `/dev/nvidiactl` and each GPU's node only; CUDA opens `/dev/nvidia-uvm` as well, which nothing creates in
/// a container (NVIDIA/gpu-operator#2685: a validated node whose pods fail for its lack).
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    // The first cause explains the rest.
    if facts.nvml.status != NvmlStatus::Ready || driver::broken(facts).is_some() {
        return Vec::new();
    }
    let there = |node: &str| facts.nvidia.device_nodes.iter().any(|found| found == node);
    let mut findings = Vec::new();
    for gpu in &facts.nvml.gpus {
        let Some(minor) = gpu.minor else { continue };
        let node = format!("/dev/nvidia{minor}");
        if !there(&node) {
            findings.push(codes::DEVICE_NODES_MISSING.about(
                subject(facts, gpu),
                format!("{node} is missing, so no container can have this GPU"),
                format!("nvidia-modprobe -c {minor}"),
            ));
        }
    }
    if facts.gpus_on_pci().is_empty() {
        return findings;
    }
    for (node, code, lacks) in [
        (UVM, codes::UVM_MISSING, "no container can use CUDA"),
        (
            UVM_TOOLS,
            codes::UVM_TOOLS_MISSING,
            "memory profilers do not work in containers",
        ),
    ] {
        if !there(node) {
            let message = format!("{node} is missing, so {lacks}");
            let cure = "nvidia-modprobe -u -c 0, and write nvidia-uvm into /etc/modules-load.d/nvidia-uvm.conf for later boots";
            findings.push(code.about(facts.hostname.clone(), message, cure));
        }
    }
    findings
}
