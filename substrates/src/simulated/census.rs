//! What this machine has, read before and after a rehearsal so that what is left behind can be named. Reads only.

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
    /// Reads mounts, links, sysctls, cgroups, nft rules, named network namespaces, and processes of simulated machines.
    pub fn read() -> Self {
        let mut lines = BTreeSet::new();
        for line in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
            lines.insert(format!("mount {line}"));
        }
        for (kind, directory) in [("link", "/sys/class/net"), ("network namespace", "/run/netns")] {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                lines.insert(format!("{kind} {}", entry.file_name().to_string_lossy()));
            }
        }
        sysctls(Path::new("/proc/sys"), &mut lines);
        for (root, _) in cgroup::hierarchies() {
            // Cgroups of others come and go; ours all lie beneath one name.
            groups(&root.join("bedplate"), &mut lines);
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
            if cmdline.contains("/rehearsals/") && cmdline.contains("/hosts/") {
                lines.insert(format!("process {} {cmdline}", entry.file_name().to_string_lossy()));
            }
        }
        Self(lines)
    }

    /// What is in one reading and not in the other: `+` is new in `self`, `-` was there in `before`.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let new = self.0.difference(&before.0).map(|line| format!("+ {line}"));
        new.chain(before.0.difference(&self.0).map(|line| format!("- {line}")))
            .collect()
    }
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
