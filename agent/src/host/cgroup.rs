//! Which cgroup hierarchy lies at `/sys/fs/cgroup`. Called by [`crate::host`] only.

use super::Tree;
use bedplate_protocol::facts::CgroupVersion;

/// `CGROUP2_SUPER_MAGIC` and `TMPFS_MAGIC` (linux/magic.h of Debian's linux-libc-dev 6.1.187).
const CGROUP2: u32 = 0x6367_7270;
const TMPFS: u32 = 0x0102_1994;

/// As a kubelet looks: by the filesystem's magic number on the running host, by files under another root.
pub(super) fn read(tree: &Tree) -> CgroupVersion {
    if !tree.is_running_host() {
        return if tree.exists("sys/fs/cgroup/cgroup.controllers") {
            CgroupVersion::V2
        } else if tree.exists("sys/fs/cgroup/memory") {
            CgroupVersion::V1
        } else {
            CgroupVersion::Unknown
        };
    }
    match rustix::fs::statfs("/sys/fs/cgroup") {
        // The type of `f_type` differs between architectures; the magic numbers have 32 bits.
        Ok(filesystem) => match u32::try_from(filesystem.f_type) {
            Ok(CGROUP2) => CgroupVersion::V2,
            Ok(TMPFS) => CgroupVersion::V1,
            _ => CgroupVersion::Unknown,
        },
        Err(error) => {
            tree.note("sys/fs/cgroup", &error);
            CgroupVersion::Unknown
        }
    }
}
