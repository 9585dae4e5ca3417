//! Room for images: kubelet must not evict pods as soon as it starts.
//!
//! kubelet's defaults are `nodefs.available<10%` and `imagefs.available<15%` (kubernetes.io, "Node-pressure Eviction",
//! "Default eviction thresholds", v1.36). The check is silent where the cluster file sets its own thresholds for both.

use crate::config::KubeletSpec;
use bedplate_protocol::facts::DiskFacts;
use bedplate_protocol::{Finding, NodeFacts, Severity};

/// Percent of the disk that must be free by kubelet's default.
const IMAGEFS_PERCENT: u64 = 15;

pub(super) fn check(node: &str, facts: &NodeFacts, kubelet: &KubeletSpec) -> Option<Finding> {
    if ["nodefs.available", "imagefs.available"]
        .iter()
        .all(|signal| kubelet.eviction_hard.contains_key(*signal))
    {
        return None;
    }
    let disk = holding(&facts.disks, "/var/lib/containerd")?;
    let free_percent = disk.available_bytes.saturating_mul(100).checked_div(disk.total_bytes)?;
    (free_percent < IMAGEFS_PERCENT).then(|| {
        Finding::new(
            Severity::Warning,
            "disk-nearly-full",
            node,
            format!(
                "{free_percent} % of {} are free; below {IMAGEFS_PERCENT} % kubelet evicts pods",
                disk.mount_point
            ),
            "Free some space, or set amounts that suit the disk: \
             kubernetes: {kubelet: {evictionHard: {nodefs.available: 10Gi, imagefs.available: 10Gi}}}",
        )
        .with_evidence(format!(
            "{} of {} bytes available",
            disk.available_bytes, disk.total_bytes
        ))
    })
}

/// The filesystem that holds a path: the one with the longest mount point above it.
fn holding<'f>(disks: &'f [DiskFacts], path: &str) -> Option<&'f DiskFacts> {
    let above = |mount: &str| {
        mount == "/" || path == mount || path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'))
    };
    disks
        .iter()
        .filter(|disk| above(&disk.mount_point))
        .max_by_key(|disk| disk.mount_point.len())
}
