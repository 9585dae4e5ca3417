//! Whether NVIDIA's driver works, and which part of it does not: the first cause that explains the rest, and only that.
//! Called by [`super::judge`] only.

use super::codes::Code;
use super::{Observation, codes};
use bedplate_protocol::facts::NvmlStatus;
use bedplate_protocol::{Finding, NodeFacts};

/// `NVML_ERROR_NO_PERMISSION`, `NVML_ERROR_LIB_RM_VERSION_MISMATCH` (nvml.h of go-nvml v0.13.4-0, `nvmlReturn_t`).
const NO_PERMISSION: i32 = 4;
const VERSION_MISMATCH: i32 = 18;
/// `NVML_ERROR_DRIVER_NOT_LOADED`, `NVML_ERROR_GPU_NOT_FOUND` (the same list).
const WITHOUT_DRIVER: &[i32] = &[9, 28];

/// At most one finding: about the driver as a whole.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    if facts.gpus_on_pci().is_empty() && facts.nvml.status != NvmlStatus::Ready {
        let silent = if nothing_to_drive(&facts.nvml.status) {
            None
        } else {
            stopped(facts, &facts.nvml.status)
        };
        return silent
            .map(|finding| finding.with_evidence(what_was_seen(facts)))
            .or_else(|| pci_unreadable(facts))
            .into_iter()
            .collect();
    }
    broken(facts)
        .map(|finding| finding.with_evidence(what_was_seen(facts)))
        .into_iter()
        .collect()
}

/// Whether NVML answers as it must where there is no GPU. Anything else is a driver that is there and does not work.
fn nothing_to_drive(status: &NvmlStatus) -> bool {
    match status {
        NvmlStatus::LibraryMissing { .. } => true,
        NvmlStatus::InitFailed { code, .. } => code.is_some_and(|code| WITHOUT_DRIVER.contains(&code)),
        NvmlStatus::Ready | NvmlStatus::Unresponsive { .. } | NvmlStatus::WorkerDied { .. } => false,
    }
}

/// No device is an answer only where PCI could be read.
fn pci_unreadable(facts: &NodeFacts) -> Option<Finding> {
    let why = facts.unreadable.iter().find(|line| line.starts_with("/sys/bus/pci"))?;
    let message = "PCI devices could not be read, so nobody knows whether there is a GPU";
    let cure = "mount sysfs: mount -t sysfs sysfs /sys";
    Some(about(facts, codes::PCI_UNREADABLE, message, cure).with_evidence(why))
}

/// What is wrong with the driver as a whole: the first cause, which explains the rest.
pub(super) fn broken(facts: &NodeFacts) -> Option<Finding> {
    let nvidia = &facts.nvidia;
    let status = &facts.nvml.status;
    if let (Some(module), Some(library)) = (&nvidia.module_version, &nvidia.library_version)
        && module != library
    {
        return Some(mismatch(
            facts,
            &format!("the loaded module is {module} and libnvidia-ml is {library}"),
        ));
    }
    if *status == NvmlStatus::Ready {
        return None;
    }
    if nvidia.module_version.is_none() {
        let nouveau = facts
            .nvidia_pci
            .iter()
            .any(|device| device.driver.as_deref() == Some("nouveau"));
        let (because, first) = if nouveau {
            (
                "; nouveau has the device",
                "echo 'blacklist nouveau' > /etc/modprobe.d/nouveau.conf && update-initramfs -u && reboot; then ",
            )
        } else {
            ("", "")
        };
        return Some(about(
            facts,
            codes::MODULE_MISSING,
            &format!("there is an NVIDIA GPU and its kernel module is not loaded{because}"),
            &format!(
                "{first}modprobe nvidia; if there is no such module, install NVIDIA's driver for {}",
                facts.os.pretty_name
            ),
        ));
    }
    if let NvmlStatus::LibraryMissing { detail } = status {
        let cure = "install the driver's user-space libraries of the module's version (Debian: libnvidia-ml1), or name the \
                    file: bedplate-agent check --nvml-library PATH";
        let message = "the nvidia module is loaded and libnvidia-ml.so.1 cannot be";
        return Some(about(facts, codes::LIBRARY_MISSING, message, cure).with_evidence(detail));
    }
    if let Some(why) = &nvidia.control_node_denied {
        let message = format!("this process may not open /dev/nvidiactl: {why}; that says nothing about the GPUs");
        let cure = "run as root; in a container, give it /dev/nvidiactl and /dev/nvidia* anew: a device cgroup takes them away when \
                    systemd reloads (NVIDIA/nvidia-container-toolkit#48), and a restart of the container gives them back";
        return Some(about(facts, codes::NO_PERMISSION, &message, cure));
    }
    if !nvidia.device_nodes.iter().any(|node| node == "/dev/nvidiactl") {
        let message = "the nvidia module is loaded and /dev/nvidiactl is missing";
        return Some(about(
            facts,
            codes::DEVICE_NODES_MISSING,
            message,
            "nvidia-modprobe -c 0 -u",
        ));
    }
    stopped(facts, status)
}

/// Everything is in its place and NVML still does not work.
fn stopped(facts: &NodeFacts, status: &NvmlStatus) -> Option<Finding> {
    Some(match status {
        NvmlStatus::Ready | NvmlStatus::LibraryMissing { .. } => return None,
        NvmlStatus::InitFailed {
            code: Some(VERSION_MISMATCH),
            detail,
        } => mismatch(facts, detail),
        NvmlStatus::InitFailed {
            code: Some(NO_PERMISSION),
            detail,
        } => about(
            facts,
            codes::NO_PERMISSION,
            &format!("NVML may not be used by this process: {detail}"),
            "run as root; in a container, give it /dev/nvidiactl and /dev/nvidia*",
        ),
        NvmlStatus::InitFailed { code, detail } => about(
            facts,
            codes::INIT_FAILED,
            &format!(
                "NVML does not initialise: {detail}{}",
                code.map_or(String::new(), |code| format!(" (code {code})"))
            ),
            "read why in the kernel's log (dmesg | grep -i nvrm), then reboot the host",
        ),
        NvmlStatus::Unresponsive {
            call,
            after_seconds,
            pass_seconds: Some(pass),
            ..
        } => about(
            facts,
            codes::UNRESPONSIVE,
            &format!(
                "a pass over NVML was not over after {pass} s, though its calls come back; {call} took {after_seconds} s so far"
            ),
            "read why it is so slow in the kernel's log (dmesg | grep -i nvrm); if the GPUs are only slow to initialise, turn persistence \
             mode on: systemctl enable --now nvidia-persistenced",
        ),
        NvmlStatus::Unresponsive {
            call,
            after_seconds,
            since,
            pass_seconds: None,
        } => about(
            facts,
            codes::UNRESPONSIVE,
            &format!(
                "{call} did not come back within {after_seconds} s{}",
                since.map_or(String::new(), |since| format!(", since {since}"))
            ),
            "read why in the kernel's log (dmesg | grep -i nvrm), then reboot the host; a process in state D does not end otherwise",
        ),
        NvmlStatus::WorkerDied { detail } => about(
            facts,
            codes::WORKER_DIED,
            &format!("the process that reads NVML ended without an answer: {detail}"),
            "run bedplate-agent check again; if it stays, reinstall the driver's libraries",
        ),
    })
}

fn mismatch(facts: &NodeFacts, how: &str) -> Finding {
    about(
        facts,
        codes::VERSION_MISMATCH,
        &format!("module and library of NVIDIA's driver differ: {how}"),
        "reboot the host (an upgrade replaced the files of the running module), then hold the packages: apt-mark hold 'nvidia-*'",
    )
}

fn about(facts: &NodeFacts, code: Code, message: &str, cure: &str) -> Finding {
    code.about(facts.hostname.clone(), message, cure)
}

fn what_was_seen(facts: &NodeFacts) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    format!(
        "{} GPU(s) on PCI, module {}, library {} at {}, {} device node(s)",
        facts.gpus_on_pci().len(),
        text(&facts.nvidia.module_version),
        text(&facts.nvidia.library_version),
        text(&facts.nvidia.library_path),
        facts.nvidia.device_nodes.len(),
    )
}
