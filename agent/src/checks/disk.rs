//! Filesystems that kubelet and containerd fill. Called by [`super::judge`] only.

use super::{Observation, codes};
use bedplate_protocol::facts::DiskFacts;
use bedplate_protocol::{Finding, NodeFacts};

/// kubelet's defaults, `nodefs.available<10%`, `imagefs.available<15%`, `nodefs.inodesFree<5%` (kubernetes.io, "Node-pressure
/// Eviction", "Default eviction thresholds", v1.36, read 2026-11-21): from there on it evicts pods. `/` holds the logs of both and
/// is judged like kubelet's own disk.
const WATCHED: &[(&str, u64)] = &[("/var/lib/kubelet", 10), ("/var/lib/containerd", 15), ("/", 10)];
const INODES_PERCENT: u64 = 5;

/// One finding a filesystem: the strictest threshold of what lies on it.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut judged: Vec<(&DiskFacts, u64, Vec<&str>)> = Vec::new();
    for (path, percent) in WATCHED {
        let Some(disk) = holding(facts, path) else { continue };
        match judged
            .iter_mut()
            .find(|(known, ..)| known.mount_point == disk.mount_point)
        {
            Some((_, strictest, paths)) => {
                *strictest = (*strictest).max(*percent);
                paths.push(path);
            }
            None => judged.push((disk, *percent, vec![path])),
        }
    }
    judged
        .into_iter()
        .filter_map(|(disk, percent, paths)| full(facts, disk, percent, &paths))
        .collect()
}

fn full(facts: &NodeFacts, disk: &DiskFacts, percent: u64, paths: &[&str]) -> Option<Finding> {
    let share = |free: u64, all: u64| free.saturating_mul(100).checked_div(all);
    let (what, left, threshold) = match share(disk.available_bytes, disk.total_bytes) {
        Some(left) if left < percent => ("bytes", left, percent),
        _ => (
            "inodes",
            share(disk.available_inodes?, disk.total_inodes?).filter(|left| *left < INODES_PERCENT)?,
            INODES_PERCENT,
        ),
    };
    let message = format!(
        "{left} % of the {what} of {} are free; below {threshold} % kubelet evicts pods by its defaults",
        disk.mount_point
    );
    let cure = format!(
        "free some space: crictl rmi --prune; journalctl --vacuum-size=500M; du -xh --max-depth=3 {} | sort -h | tail",
        disk.mount_point
    );
    Some(
        codes::NODE_DISK_PRESSURE
            .about(facts.hostname.clone(), message, cure)
            .with_evidence(format!(
                "statvfs({}): {} of {} bytes available; it holds {}",
                disk.mount_point,
                disk.available_bytes,
                disk.total_bytes,
                paths.join(", ")
            )),
    )
}

/// The filesystem that holds a path: the one with the longest mount point above it.
fn holding<'f>(facts: &'f NodeFacts, path: &str) -> Option<&'f DiskFacts> {
    let above = |mount: &str| {
        mount == "/" || path == mount || path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'))
    };
    facts
        .disks
        .iter()
        .filter(|disk| above(&disk.mount_point))
        .max_by_key(|disk| disk.mount_point.len())
}
