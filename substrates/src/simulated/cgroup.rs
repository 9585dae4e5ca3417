//! One child cgroup for each machine, in every hierarchy of this machine.
//!
//! Every one, `name=systemd` and the empty unified hierarchy too: with a shared parent in any of them the kubelets see each
//! other's pods and destroy them as orphans. On pure cgroup v2 the child is a delegated subtree with the parent's controllers.
//! Nothing outside `bedplate/<rehearsal>` is written, except that on pure v2 the controllers are switched on along the path.

use super::process;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder beneath each hierarchy that holds all rehearsals.
const PARENT: &str = "bedplate";
/// A guess with room: `down` of three idle machines took 0.2 to 0.9 s in all (2026-11-21).
const EMPTY_WITHIN: Duration = Duration::from_secs(30);

/// The cgroups could not be made or emptied.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file or directory of a hierarchy.
    #[error("cgroup {path}: {source}; run as root on a machine (or in a container) whose /sys/fs/cgroup is writable")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it did not end.
    #[error(
        "cgroup {path} still has processes {seconds} s after they were killed: {pids}; look at `cat /proc/<pid>/stack`, then repeat `bedplate rehearse --down`"
    )]
    NotEmpty {
        /// Which.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
        /// Which processes.
        pids: String,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError::Io { path, source }
}

/// Mount points of all cgroup hierarchies, from `/proc/self/mounts`.
pub(super) fn hierarchies() -> Vec<(PathBuf, bool)> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut found: Vec<(PathBuf, bool)> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind) = (fields.next()?, fields.next()?);
            let v2 = kind == "cgroup2";
            (path.starts_with("/sys/fs/cgroup") && (v2 || kind == "cgroup")).then(|| (PathBuf::from(path), v2))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Makes one machine's cgroups and gives their directories.
pub(super) fn create(rehearsal: &str, machine: &str) -> Result<Vec<PathBuf>, CgroupError> {
    let mut made = Vec::new();
    for (root, v2) in hierarchies() {
        let mut group = root;
        for name in [PARENT, rehearsal, machine] {
            if v2 {
                enable_controllers(&group)?;
            }
            let parent = group.clone();
            group.push(name);
            if !group.is_dir() {
                fs::create_dir(&group).map_err(at(&group))?;
            }
            // A new cpuset is empty, and no process may enter an empty one.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if !v2 && group.join(file).exists() {
                    let value = fs::read_to_string(parent.join(file)).map_err(at(&parent.join(file)))?;
                    fs::write(group.join(file), value.trim()).map_err(at(&group.join(file)))?;
                }
            }
        }
        made.push(group);
    }
    Ok(made)
}

/// On pure v2: what the parent has, its children get. The unified part of a hybrid hierarchy has no controllers to give.
fn enable_controllers(group: &Path) -> Result<(), CgroupError> {
    let available = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return Ok(());
    }
    let wanted: Vec<String> = available.split_whitespace().map(|name| format!("+{name}")).collect();
    let file = group.join("cgroup.subtree_control");
    fs::write(&file, wanted.join(" ")).map_err(at(&file))
}

/// Kills everything in one machine's cgroups, waits until it has ended, and removes what is beneath them.
pub(super) fn empty(rehearsal: &str, machine: &str) -> Result<(), CgroupError> {
    for (root, _) in hierarchies() {
        empty_tree(&root.join(PARENT).join(rehearsal).join(machine), EMPTY_WITHIN)?;
    }
    Ok(())
}

fn empty_tree(group: &Path, within: Duration) -> Result<(), CgroupError> {
    let since = Instant::now();
    while group.is_dir() {
        let pids = processes(group);
        for pid in &pids {
            process::kill(*pid);
        }
        if pids.is_empty() && remove(group).is_ok() {
            return Ok(());
        }
        if since.elapsed() > within {
            return Err(CgroupError::NotEmpty {
                path: group.to_owned(),
                seconds: within.as_secs(),
                pids: pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Removes all cgroups of a rehearsal, and the folder of all rehearsals if it was the last.
pub(super) fn remove_all(rehearsal: &str) -> Result<(), CgroupError> {
    for (root, _) in hierarchies() {
        let parent = root.join(PARENT);
        empty_tree(&parent.join(rehearsal), EMPTY_WITHIN)?;
        // Another rehearsal may live beneath it; then it stays.
        let _ = fs::remove_dir(&parent);
    }
    Ok(())
}

fn processes(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    for child in children(group) {
        pids.extend(processes(&child));
    }
    pids
}

fn remove(group: &Path) -> io::Result<()> {
    for child in children(group) {
        remove(&child)?;
    }
    fs::remove_dir(group)
}

/// Whether any cgroup lies beneath this one.
pub(super) fn has_children(group: &Path) -> bool {
    !children(group).is_empty()
}

fn children(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
