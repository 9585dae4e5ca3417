//! inotify instances: one limit for all processes of root, those of every machine among them. Reads only; called by `prepare`.
//!
//! When they are used up, a containerd starts without its CRI plugin and says `unknown service runtime.v1.RuntimeService`,
//! minutes after the machines were made.

use bedplate_protocol::{Finding, Severity};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
/// At least: two kept clusters of three machines used up 128, so one machine of a cluster has more than 21. A machine
/// without Kubernetes had 11 to 14 (counted as below; both seen 2026-11-21).
const EACH: usize = 22;
/// What the cure sets: room for six clusters of three machines.
const CURE: usize = 512;

/// Whether `machines` more would have instances enough.
pub(super) fn few(machines: usize) -> Option<Finding> {
    let limit = fs::read_to_string(LIMIT).ok()?.trim().parse().ok()?;
    judge(limit, in_use(Path::new("/proc")), machines)
}

fn judge(limit: usize, in_use: usize, machines: usize) -> Option<Finding> {
    let wanted = in_use + EACH * machines;
    (wanted > limit).then(|| {
        Finding::new(
            Severity::Error,
            "inotify-instances-few",
            "this machine",
            format!(
                "root may have {limit} inotify instances (fs.inotify.max_user_instances); {in_use} are in use and {machines} machines need {} or more, so a containerd on them would start without its CRI service",
                EACH * machines
            ),
            format!("sysctl -w fs.inotify.max_user_instances={}", CURE.max(wanted * 2)),
        )
    })
}

/// Instances that root's processes hold open. One that two processes share counts twice, which errs on the safe side.
fn in_use(proc: &Path) -> usize {
    let processes = fs::read_dir(proc).into_iter().flatten().flatten();
    let of_root = processes.filter(|process| process.metadata().is_ok_and(|process| process.uid() == 0));
    of_root
        .flat_map(|process| fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten())
        .filter(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new("anon_inode:inotify")))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_that_would_exceed_the_limit_are_told_with_the_cure() {
        assert_eq!(judge(128, 0, 3), None);
        let finding = judge(128, 66, 3).unwrap();
        assert!(finding.message.contains("66 are in use"), "{finding}");
        assert_eq!(finding.remedy, "sysctl -w fs.inotify.max_user_instances=512");
        assert_eq!(judge(128, 128, 0), None, "machines that run already need no more");
    }

    #[test]
    fn instances_are_counted_by_their_links_in_proc() {
        let proc = tempfile::tempdir().unwrap();
        let files = proc.path().join("7/fd");
        fs::create_dir_all(&files).unwrap();
        for (number, to) in ["anon_inode:inotify", "anon_inode:[eventpoll]", "anon_inode:inotify"]
            .iter()
            .enumerate()
        {
            std::os::unix::fs::symlink(to, files.join(number.to_string())).unwrap();
        }
        assert_eq!(
            in_use(proc.path()),
            if rustix::process::geteuid().is_root() { 2 } else { 0 }
        );
    }
}
