//! Check 2: the loaded kernel module's flavour can drive the GPUs that are there.
//!
//! NVIDIA's driver installation guide, "Kernel Modules" (docs.nvidia.com/datacenter/tesla/driver-installation-guide, read
//! 2026-11): the open modules do not support Maxwell, Pascal and Volta; they are for Turing and newer. Blackwell works with
//! the open modules only (NVIDIA, "NVIDIA Transitions Fully Towards Open-Source GPU Kernel Modules", 2024-07-17).

use bedplate_protocol::{Finding, NodeFacts, Severity};

/// What a GPU needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// The proprietary flavour: before Turing.
    Proprietary,
    /// The open flavour: Blackwell and later.
    Open,
    /// Both work.
    Either,
}

/// The first device id of a Turing GPU, TU102. Every GPU of an earlier generation that the list names has a lower one, the
/// highest 0x1df6 (GV100GL); pci-ids.ucw.cz, version 2023.04.10, the `pci.ids` of Debian 12.
const FIRST_TURING: u16 = 0x1e02;

/// The first device id of a Blackwell GPU, GB100. Every Ada and Hopper GPU that the list names has a lower one, the highest
/// 0x28f8 (AD107GLM); pci-ids.ucw.cz, version 2025.07.11, the list in NVIDIA/go-nvlib v0.12.0.
const FIRST_BLACKWELL: u16 = 0x2900;

/// What the device with this id (`0x2330`) needs; an id that cannot be read needs nothing known.
pub(super) fn needs(device: &str) -> Needs {
    match u16::from_str_radix(device.trim_start_matches("0x"), 16) {
        Ok(id) if id < FIRST_TURING => Needs::Proprietary,
        Ok(id) if id >= FIRST_BLACKWELL => Needs::Open,
        _ => Needs::Either,
    }
}

pub(super) fn check(node: &str, facts: &NodeFacts) -> Vec<Finding> {
    let Some(flavour) = facts.nvidia.module_flavour.as_deref() else {
        return Vec::new();
    };
    let wrong = |needs: Needs| {
        matches!(
            (needs, flavour),
            (Needs::Open, "proprietary") | (Needs::Proprietary, "open")
        )
    };
    facts
        .nvidia_pci
        .iter()
        .filter(|device| device.is_gpu() && wrong(needs(&device.device)))
        .map(|device| {
            let (generation, right, cure) = if flavour == "open" {
                (
                    "older than Turing",
                    "proprietary",
                    "apt-get install --yes cuda-drivers && reboot",
                )
            } else {
                (
                    "Blackwell or newer",
                    "open",
                    "apt-get install --yes nvidia-open && reboot",
                )
            };
            Finding::new(
                Severity::Error,
                "driver-flavour",
                node,
                format!(
                    "the GPU at {} (device {}) is {generation} and works with the {right} kernel module only; \
                     the {flavour} one is loaded",
                    device.address, device.device
                ),
                cure,
            )
            .with_evidence(format!("/proc/driver/nvidia/version: {flavour}"))
        })
        .collect()
}
