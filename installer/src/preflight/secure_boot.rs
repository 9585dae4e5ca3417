//! Check 5: Secure Boot will not refuse the driver. A module that is loaded has passed already.

use bedplate_protocol::{Finding, NodeFacts, Severity};

pub(super) fn check(node: &str, facts: &NodeFacts) -> Option<Finding> {
    if facts.nvidia.module_version.is_some() {
        return None;
    }
    let enforced = facts.boot.module_signatures_enforced == Some(true);
    let cure = "Switch Secure Boot off in the firmware's setup, or install a driver that your distribution has signed \
                (Ubuntu: linux-modules-nvidia-*-open-generic), or enroll the key that DKMS signs with: \
                mokutil --import /var/lib/dkms/mok.pub && reboot";
    match facts.boot.secure_boot {
        Some(true) => Some(
            Finding::new(
                Severity::Error,
                "secure-boot",
                node,
                "Secure Boot is on and no NVIDIA module is loaded: the kernel will refuse one that is not signed",
                cure,
            )
            .with_evidence("EFI variable SecureBoot: 1"),
        ),
        _ if enforced => Some(
            Finding::new(
                Severity::Error,
                "secure-boot",
                node,
                "the kernel enforces module signatures and no NVIDIA module is loaded: it will refuse one that is not signed",
                cure,
            )
            .with_evidence("/sys/module/module/parameters/sig_enforce: Y"),
        ),
        None if facts.boot.uefi => Some(Finding::new(
            Severity::Warning,
            "secure-boot-unknown",
            node,
            "the host was booted by UEFI and its Secure Boot state could not be read",
            "mount -t efivarfs efivarfs /sys/firmware/efi/efivars",
        )),
        _ => None,
    }
}
