//! Check 19: no swap. kubelet does not start with swap in use (`failSwapOn`, default true, kubelet v1.36). A warning, for
//! `bedplate up` turns it off and keeps it off.

use bedplate_protocol::{Finding, NodeFacts, Severity};

pub(super) fn check(node: &str, facts: &NodeFacts) -> Option<Finding> {
    if facts.swaps.is_empty() && facts.fstab_swaps.is_empty() {
        return None;
    }
    let finding = Finding::new(
        Severity::Warning,
        "swap-enabled",
        node,
        "swap is in use or would be after a boot, and kubelet does not start with it; `bedplate up` turns it off",
        "swapoff -a, and put a # before the swap lines of /etc/fstab",
    );
    let finding = facts.swaps.iter().fold(finding, |finding, swap| {
        finding.with_evidence(format!("/proc/swaps: {swap}"))
    });
    Some(facts.fstab_swaps.iter().fold(finding, |finding, swap| {
        finding.with_evidence(format!("/etc/fstab: {swap}"))
    }))
}
