//! Check 4: nouveau leaves the GPUs alone.

use bedplate_protocol::{Finding, NodeFacts, Severity};

pub(super) fn check(node: &str, facts: &NodeFacts) -> Option<Finding> {
    let bound = facts
        .nvidia_pci
        .iter()
        .find(|device| device.driver.as_deref() == Some("nouveau"));
    let loaded = facts.kernel.modules.iter().any(|module| module == "nouveau");
    if bound.is_none() && !loaded {
        return None;
    }
    let finding = Finding::new(
        Severity::Error,
        "nouveau-active",
        node,
        "the kernel driver nouveau is active, so NVIDIA's driver cannot take the GPU",
        "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' > /etc/modprobe.d/blacklist-nouveau.conf\n\
         update-initramfs -u\n\
         reboot",
    );
    Some(match bound {
        Some(device) => finding.with_evidence(format!("/sys/bus/pci/devices/{}/driver: nouveau", device.address)),
        None => finding.with_evidence("/proc/modules: nouveau"),
    })
}
