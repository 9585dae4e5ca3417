//! Filesystems that kubelet and containerd fill. Called by [`super::judge`] only.

use super::eviction::Threshold;
use super::{Observation, codes};
use bedplate_protocol::facts::DiskFacts;
use bedplate_protocol::{Finding, NodeFacts};

/// What is watched, and the filesystem that kubelet calls it. `/` holds the logs of both and is judged like kubelet's own disk.
const WATCHED: &[(&str, &str)] = &[
    ("/var/lib/kubelet", "nodefs"),
    ("/var/lib/containerd", "imagefs"),
    ("/", "nodefs"),
];

/// A filesystem with what lies on it and the strictest thresholds of that.
struct Judged<'f> {
    disk: &'f DiskFacts,
    paths: Vec<&'static str>,
    bytes: Option<Threshold>,
    inodes: Option<Threshold>,
}

/// One finding a filesystem.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut judged: Vec<Judged<'_>> = Vec::new();
    for (path, name) in WATCHED {
        let Some(disk) = holding(facts, path) else { continue };
        let bytes = Threshold::of(facts, &format!("{name}.available"));
        let inodes = Threshold::of(facts, &format!("{name}.inodesFree"));
        match judged
            .iter_mut()
            .find(|known| known.disk.mount_point == disk.mount_point)
        {
            Some(known) => {
                known.paths.push(path);
                known.bytes = stricter(known.bytes.take(), bytes, disk.total_bytes);
                known.inodes = stricter(known.inodes.take(), inodes, disk.total_inodes.unwrap_or_default());
            }
            None => judged.push(Judged {
                disk,
                paths: vec![path],
                bytes,
                inodes,
            }),
        }
    }
    judged.iter().filter_map(|judged| full(facts, judged)).collect()
}

fn stricter(one: Option<Threshold>, other: Option<Threshold>, total: u64) -> Option<Threshold> {
    [one, other]
        .into_iter()
        .flatten()
        .max_by_key(|threshold| threshold.limit(total))
}

fn full(facts: &NodeFacts, judged: &Judged<'_>) -> Option<Finding> {
    let Judged {
        disk,
        paths,
        bytes,
        inodes,
    } = judged;
    let too_few = |threshold: &Option<Threshold>, free: u64, all: u64| {
        let threshold = threshold.as_ref().filter(|threshold| free < threshold.limit(all))?;
        let left = free.saturating_mul(100).checked_div(all).unwrap_or_default();
        Some((left, threshold.words.clone()))
    };
    let (what, (left, words)) = match too_few(bytes, disk.available_bytes, disk.total_bytes) {
        Some(found) => ("bytes", found),
        None => ("inodes", too_few(inodes, disk.available_inodes?, disk.total_inodes?)?),
    };
    let message = format!("{left} % of the {what} of {} are free; {words}", disk.mount_point);
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
