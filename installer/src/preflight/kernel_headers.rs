//! Check 7: a driver can be built for the running kernel. Without a loaded driver that stops the host; with one it will
//! matter at the next update.

use bedplate_protocol::{Finding, NodeFacts, Severity};

pub(super) fn check(node: &str, facts: &NodeFacts) -> Option<Finding> {
    if facts.kernel.headers {
        return None;
    }
    let release = &facts.kernel.release;
    let loaded = facts.nvidia.module_version.is_some();
    let (severity, meaning) = if loaded {
        (Severity::Warning, "a driver update could not be built")
    } else {
        (Severity::Error, "no driver can be built")
    };
    let finding = Finding::new(
        severity,
        "kernel-headers-missing",
        node,
        format!("no headers of the running kernel {release}: {meaning}"),
        install(facts),
    );
    Some(finding.with_evidence(format!("/lib/modules/{release}/build leads nowhere")))
}

/// The command that installs the running kernel's headers.
pub(super) fn install(facts: &NodeFacts) -> String {
    let release = &facts.kernel.release;
    match facts.os.id.as_str() {
        "rhel" | "rocky" | "almalinux" | "centos" | "fedora" => {
            format!("dnf install --assumeyes kernel-devel-{release}")
        }
        _ => format!("apt-get update && apt-get install --yes linux-headers-{release}"),
    }
}
