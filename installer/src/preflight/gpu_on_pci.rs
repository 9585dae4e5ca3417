//! Check 1: the GPUs that the cluster file expects are on PCI, driver or not.

use crate::config::NodeSpec;
use bedplate_protocol::{Finding, NodeFacts, Severity};

pub(super) fn check(node: &NodeSpec, facts: &NodeFacts) -> Option<Finding> {
    let gpus: Vec<_> = facts.nvidia_pci.iter().filter(|device| device.is_gpu()).collect();
    let found = u32::try_from(gpus.len()).unwrap_or(u32::MAX);
    let expected = node.expect.gpus.unwrap_or(0);
    let finding = if found < expected {
        Finding::new(
            Severity::Error,
            "gpu-not-on-pci",
            &node.name,
            format!("{found} NVIDIA GPUs on PCI, {expected} expected"),
            format!(
                "Is {} the right machine? Then reseat the card, or pass it through to the virtual machine; \
                 or write `expect: {{gpus: {found}}}`.",
                node.address
            ),
        )
    } else if expected == 0 && found > 0 {
        Finding::new(
            Severity::Warning,
            "gpu-not-expected",
            &node.name,
            format!("{found} NVIDIA GPUs on PCI, and the cluster file expects none: no pod will get them"),
            format!("Write `expect: {{gpus: {found}}}` for this node."),
        )
    } else {
        return None;
    };
    Some(gpus.iter().fold(finding, |finding, gpu| {
        finding.with_evidence(format!(
            "/sys/bus/pci/devices/{}: device {}, class {}",
            gpu.address, gpu.device, gpu.class
        ))
    }))
}
