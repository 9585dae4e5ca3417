//! Check 9: the host has a driver of its own.
//!
//! bedplate's GPU hosts own their driver: it can be proven before Kubernetes exists and survives the cluster. The GPU
//! Operator skips nodes that have one.

use super::driver_flavour::{Needs, needs};
use super::kernel_headers;
use bedplate_protocol::{Finding, NodeFacts, Severity};

/// Where the GPU Operator's driver container mounts its driver (NVIDIA/gpu-operator, `driver.hostPath` default).
const OPERATORS_ROOT: &str = "/run/nvidia/driver";

pub(super) fn check(node: &str, facts: &NodeFacts) -> Option<Finding> {
    let nvidia = &facts.nvidia;
    let operators = |path: &str| path.starts_with(OPERATORS_ROOT);
    let mounted = facts.mounts.iter().find(|mount| operators(&mount.target));
    if mounted.is_some() || nvidia.library_path.as_deref().is_some_and(operators) {
        return Some(
            Finding::new(
                Severity::Error,
                "driver-in-container",
                node,
                "the NVIDIA driver comes from the GPU Operator's container, and would be gone with its cluster",
                "Remove the old cluster's driver (helm uninstall gpu-operator, or set driver.enabled=false), reboot, and \
                 install a driver on the host.",
            )
            .with_evidence(mounted.map_or_else(|| OPERATORS_ROOT.to_owned(), |mount| format!("mount at {}", mount.target))),
        );
    }
    if nvidia.module_version.is_some() {
        return None;
    }
    if let Some(version) = &nvidia.library_version {
        return Some(
            Finding::new(
                Severity::Error,
                "driver-not-loaded",
                node,
                format!("NVIDIA's library {version} is installed and its kernel module is not loaded"),
                "modprobe nvidia; if that fails, see why: dkms status; journalctl -k -b | grep -i -e nvidia -e nvrm",
            )
            .with_evidence("neither /sys/module/nvidia/version nor /proc/driver/nvidia/version"),
        );
    }
    Some(
        Finding::new(
            Severity::Error,
            "driver-missing",
            node,
            "the host has NVIDIA GPUs and no NVIDIA driver",
            install(facts),
        )
        .with_evidence("neither /sys/module/nvidia/version nor libnvidia-ml.so.1"),
    )
}

/// The commands that install a driver. Package names: NVIDIA's driver installation guide, "Kernel Modules" and the pages of
/// the distributions (`nvidia-open`, `cuda-drivers`; read 2026-11); repository: developer.download.nvidia.com/compute/cuda/repos.
fn install(facts: &NodeFacts) -> String {
    let old = facts
        .nvidia_pci
        .iter()
        .any(|device| device.is_gpu() && needs(&device.device) == Needs::Proprietary);
    let package = if old { "cuda-drivers" } else { "nvidia-open" };
    let headers = kernel_headers::install(facts);
    let version = facts.os.version_id.replace('.', "");
    let repository = match facts.os.id.as_str() {
        "debian" => format!("debian{version}"),
        "ubuntu" => format!("ubuntu{version}"),
        "rhel" | "rocky" | "almalinux" | "centos" => {
            let major = facts.os.version_id.split('.').next().unwrap_or_default();
            return format!(
                "{headers}\n\
                 dnf config-manager --add-repo https://developer.download.nvidia.com/compute/cuda/repos/rhel{major}/x86_64/cuda-rhel{major}.repo\n\
                 dnf install --assumeyes {package}\n\
                 reboot"
            );
        }
        _ => {
            return format!(
                "Install the kernel's headers and NVIDIA's driver (package {package}) as \
                 https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/ says for {}, then reboot.",
                facts.os.pretty_name
            );
        }
    };
    format!(
        "{headers}\n\
         wget https://developer.download.nvidia.com/compute/cuda/repos/{repository}/x86_64/cuda-keyring_1.1-1_all.deb\n\
         dpkg -i cuda-keyring_1.1-1_all.deb && apt-get update\n\
         apt-get install --yes {package}\n\
         reboot"
    )
}
