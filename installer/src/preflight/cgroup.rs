//! Check 20: cgroup v2. kubelet from 1.35 on does not start on v1 unless `failCgroupV1: false` (KEP-5573); bedplate writes
//! that line only where the cluster file accepts this finding by name.

use bedplate_protocol::facts::CgroupVersion;
use bedplate_protocol::{Finding, NodeFacts, Severity};

/// The code by which a cluster file accepts cgroup v1.
pub(crate) const CGROUP_V1: &str = "cgroup-v1";

pub(super) fn check(node: &str, facts: &NodeFacts) -> Option<Finding> {
    match facts.cgroup {
        CgroupVersion::V2 => None,
        CgroupVersion::V1 => Some(
            Finding::new(
                Severity::Error,
                CGROUP_V1,
                node,
                "the host has cgroup v1, which kubelet refuses",
                "Add systemd.unified_cgroup_hierarchy=1 to GRUB_CMDLINE_LINUX in /etc/default/grub, then: update-grub && reboot\n\
                 Or accept it by name in the cluster file: accept: [{code: cgroup-v1, reason: \"…\"}]",
            )
            .with_evidence("/sys/fs/cgroup is no cgroup2fs"),
        ),
        CgroupVersion::Unknown => Some(Finding::new(
            Severity::Error,
            "cgroup-unknown",
            node,
            "no cgroup hierarchy was found at /sys/fs/cgroup, and kubelet needs one",
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup, or boot with systemd",
        )),
    }
}
