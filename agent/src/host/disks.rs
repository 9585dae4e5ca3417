//! Sizes of filesystems. Called by [`crate::host`] only.
//!
//! Asks local filesystems of the running host only: `statvfs` on a network filesystem whose server is gone never returns,
//! so those are never asked.

use super::Tree;
use bedplate_protocol::facts::{DiskFacts, MountFacts};
use std::collections::BTreeSet;

/// Local filesystems of the running host, one a mount point; none under another root, whose sizes no file tells.
pub(super) fn read(tree: &Tree, mounts: &[MountFacts]) -> Vec<DiskFacts> {
    if !tree.is_running_host() {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut disks = Vec::new();
    for mount in mounts {
        let local =
            mount.source.starts_with("/dev/") || matches!(mount.filesystem.as_str(), "overlay" | "zfs" | "btrfs");
        if !local || !seen.insert(&mount.target) {
            continue;
        }
        match rustix::fs::statvfs(mount.target.as_str()) {
            Ok(sizes) => disks.push(DiskFacts {
                mount_point: mount.target.clone(),
                filesystem: mount.filesystem.clone(),
                total_bytes: sizes.f_blocks.saturating_mul(sizes.f_frsize),
                available_bytes: sizes.f_bavail.saturating_mul(sizes.f_frsize),
                total_inodes: (sizes.f_files > 0).then_some(sizes.f_files),
                available_inodes: (sizes.f_files > 0).then_some(sizes.f_favail),
            }),
            Err(error) => tree.note(&mount.target, &error),
        }
    }
    disks
}
