//! What this machine has, read before and after a rehearsal so that what is left behind can be named. Reads only.
//!
//! Other rehearsals may come, go and work meanwhile; what carries their name is theirs and is not listed.

use super::cgroup;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything that a simulated machine could leave behind, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census(BTreeSet<String>);

/// Kernel parameters that count or draw something, and so differ at each reading.
const MOVING: &[&str] = &[
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/aio-nr",
    "fs/quota",
    "kernel/ns_last_pid",
    "kernel/pty/nr",
    "kernel/random/",
    "kernel/tainted",
    "net/netfilter/nf_conntrack_count",
    "vm/drop_caches",
    "vm/stat_refresh",
    "vm/compact_memory",
];

impl Census {
    /// Reads mounts, links, sysctls, nft rules and named network namespaces of this machine, and the cgroups and processes of
    /// `rehearsal`, with the FUSE mounts in its machines' mount namespaces.
    pub fn read(rehearsal: &str) -> Self {
        let own = super::network::name(rehearsal);
        let others = namespaces().into_iter().any(|name| name != own);
        let mut lines = BTreeSet::new();
        for line in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
            let path = line.split(' ').nth(1).unwrap_or_default();
            let name = path.strip_prefix("/run/netns").map(|name| name.trim_start_matches('/'));
            // The directory itself is mounted as long as anybody's namespace is named in it.
            if name.is_none_or(|name| name == own || (name.is_empty() && !others)) {
                lines.insert(format!("mount {line}"));
            }
        }
        for entry in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
            lines.insert(format!("link {}", entry.file_name().to_string_lossy()));
        }
        lines.extend(
            namespaces()
                .into_iter()
                .filter(|name| *name == own)
                .map(|name| format!("network namespace {name}")),
        );
        sysctls(Path::new("/proc/sys"), &mut lines);
        for (root, _) in cgroup::hierarchies() {
            let parent = root.join("bedplate");
            groups(&parent.join(rehearsal), &mut lines);
            // The folder of all rehearsals goes with the last of them.
            if parent.is_dir() && !cgroup::has_children(&parent) {
                lines.insert(format!("cgroup {}", parent.display()));
            }
        }
        if let Ok(rules) = super::command::run("list nft rules", "nft", &["list", "ruleset"]) {
            for (number, line) in rules.lines().enumerate() {
                lines.insert(format!("nft {number} {line}"));
            }
        }
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            // A machine's processes run in its cgroups or are its supervisor; both name the rehearsals' folder.
            let Ok(cmdline) = fs::read(entry.path().join("cmdline")) else {
                continue;
            };
            let cmdline = String::from_utf8_lossy(&cmdline).replace('\0', " ");
            if cmdline.contains(&format!("/rehearsals/{rehearsal}/")) {
                lines.insert(format!("process {} {cmdline}", entry.file_name().to_string_lossy()));
            }
        }
        fuse(&format!("/rehearsals/{rehearsal}/"), &mut lines);
        Self(lines)
    }

    /// What is in one reading and not in the other: `+` is new in `self`, `-` was there in `before`.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let new = self.0.difference(&before.0).map(|line| format!("+ {line}"));
        new.chain(before.0.difference(&self.0).map(|line| format!("- {line}")))
            .collect()
    }
}

/// FUSE mounts beneath a folder, in whichever mount namespace: a machine's are in its supervisor's.
fn fuse(folder: &str, lines: &mut BTreeSet<String>) {
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(namespace) = fs::read_link(entry.path().join("ns/mnt")) else {
            continue;
        };
        if !seen.insert(namespace) {
            continue;
        }
        let mounts = fs::read_to_string(entry.path().join("mounts")).unwrap_or_default();
        for mount in mounts.lines() {
            let mut fields = mount.split(' ').skip(1);
            let (path, kind) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            if kind.starts_with("fuse") && kind != "fusectl" && path.contains(folder) {
                lines.insert(format!("FUSE mount {mount}"));
            }
        }
    }
}

/// Named network namespaces of rehearsals.
fn namespaces() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn sysctls(directory: &Path, lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path
            .strip_prefix("/proc/sys")
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        if MOVING.iter().any(|moving| name.starts_with(moving)) {
            continue;
        }
        if path.is_dir() {
            sysctls(&path, lines);
        } else if let Ok(value) = fs::read_to_string(&path) {
            lines.insert(format!("sysctl {name} = {}", value.trim()));
        }
    }
}

fn groups(directory: &Path, lines: &mut BTreeSet<String>) {
    if directory.is_dir() {
        lines.insert(format!("cgroup {}", directory.display()));
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            groups(&entry.path(), lines);
        }
    }
}
