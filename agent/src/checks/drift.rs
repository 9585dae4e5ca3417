//! What an unattended upgrade has changed beneath a driver that runs. Called by [`super::judge`] only.
//!
//! A library that differs from the running module is [`super::driver`]'s: nothing new can use the GPU then. These are the
//! changes that bite later, at the next start of a program or of the machine.

use super::{Observation, codes};
use bedplate_protocol::Finding;

const HOLD: &str = "and hold the packages until then: apt-mark hold 'nvidia-*' 'libnvidia-*' 'linux-image-*'";

/// Library, module, next kernel, packages.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let (facts, nvidia) = (seen.facts, &seen.facts.nvidia);
    // A host without the driver has nothing that could drift.
    let Some(loaded) = &nvidia.module_version else {
        return Vec::new();
    };
    let node = || facts.hostname.clone();
    let mut findings = Vec::new();
    if let (Some(before), Some(now)) = (&seen.history.library_at_start, &nvidia.library_version)
        && before != now
    {
        let message = format!("libnvidia-ml was {before} when the agent was started and is {now} on disk now");
        let cure = format!("drain the node and reboot it, {HOLD}");
        findings.push(codes::LIBRARY_CHANGED.about(node(), message, cure));
    }
    if let Some(on_disk) = nvidia
        .module_on_disk_version
        .as_ref()
        .filter(|on_disk| *on_disk != loaded)
    {
        let message = format!("the loaded module is {loaded} and the next boot loads {on_disk}");
        let cure = format!("drain the node and reboot it when convenient, {HOLD}");
        findings.push(codes::MODULE_CHANGED.about(node(), message, cure));
    }
    if let Some(kernel) = nvidia.next_kernel.as_ref().filter(|kernel| !kernel.has_module) {
        let release = &kernel.release;
        let message = format!("the next boot starts kernel {release}, which has no nvidia module");
        let cure = format!(
            "apt install linux-headers-{release} && dkms autoinstall -k {release}, before the host is rebooted"
        );
        let evidence = format!("/lib/modules/{release}/modules.dep names no nvidia.ko");
        findings.push(
            codes::NEXT_KERNEL_WITHOUT_MODULE
                .about(node(), message, cure)
                .with_evidence(evidence),
        );
    }
    if facts.packages.dpkg_interrupted {
        let message = "dpkg was interrupted, so packages of the driver may be half installed";
        findings.push(
            codes::DPKG_INTERRUPTED
                .about(node(), message, "dpkg --configure -a")
                .with_evidence("/var/lib/dpkg/updates is not empty"),
        );
    }
    let waiting: Vec<&str> = facts
        .packages
        .reboot_required_by
        .iter()
        .map(String::as_str)
        .filter(|name| concerns(name))
        .collect();
    if !waiting.is_empty() {
        let message = format!("a reboot is wanted by {}", waiting.join(", "));
        let evidence = "/run/reboot-required.pkgs";
        findings.push(codes::REBOOT_PENDING.about(node(), message, "").with_evidence(evidence));
    }
    findings
}

fn concerns(package: &str) -> bool {
    package.contains("nvidia") || package.starts_with("linux-image")
}
