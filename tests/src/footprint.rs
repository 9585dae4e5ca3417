//! Everything on a host that a run could change, one line each, so that what it changed can be named. Reads only.
//! Called by `tests/cluster.rs` before and after a preflight.

use crate::built;
use bedplate_substrates::simulated::Hosts;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Written by every login and by the clock, whoever logs in and whatever they do: the journal and sshd's own records.
const LOGINS: &[&str] = &["upper/var/log/", "upper/var/lib/systemd/timers/"];

/// What a host has, read from inside over SSH. Left out: what a login itself is (session scopes, its user's manager and
/// slice), and kernel parameters that count or draw something.
const INSIDE: &[(&str, &str)] = &[
    (
        "unit",
        "systemctl list-units --all --plain --no-legend --no-pager | awk '{print $1, $2, $3, $4}' | grep -Ev '^(session-|user@|user-)'",
    ),
    (
        "unit file",
        "systemctl list-unit-files --no-legend --no-pager | awk '{print $1, $2}' | grep -v '^session-'",
    ),
    ("socket", "ss -Hltnu | awk '{print $1, $5}'"),
    ("unix socket", "ss -Hlx | awk '{print $5}' | grep -v '^/run/user/'"),
    ("module", "ls /sys/module"),
    (
        "sysctl",
        "sysctl -a 2>/dev/null | grep -Ev '^(fs.dentry-state|fs.file-nr|fs.inode-|fs.aio-nr|fs.quota|kernel.ns_last_pid|kernel.pty.nr|kernel.random|kernel.tainted|net.netfilter.nf_conntrack_count)'",
    ),
    ("package", "dpkg-query -W"),
    ("mount", "cut -d' ' -f1-3 /proc/self/mounts | grep -v ' /run/user/'"),
    ("process", "ps -eo comm= | grep bedplate || true"),
];

/// One host's footprint.
#[derive(Debug, PartialEq, Eq)]
pub struct Footprint(BTreeSet<String>);

impl Footprint {
    /// Reads a host that has finished booting.
    pub fn read(hosts: &Hosts, cluster: &str, host: &str) -> Self {
        let mut lines = BTreeSet::new();
        for (kind, command) in INSIDE {
            let said = hosts
                .ssh(host, command)
                .unwrap_or_else(|e| panic!("{host}: {kind}: {e}"));
            assert!(
                *kind == "process" || !said.trim().is_empty(),
                "{host}: no {kind} was read"
            );
            lines.extend(said.lines().map(|line| format!("{kind} {line}")));
        }
        let directory = built::cache().join("rehearsals").join(cluster).join("hosts").join(host);
        for part in ["upper", "data"] {
            files(&directory, &directory.join(part), &mut lines);
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

/// Every file of a tree with its kind, mode, owner, size and the time of its last change of any kind.
fn files(root: &Path, directory: &Path, lines: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if LOGINS.iter().any(|beginning| name.starts_with(beginning)) {
            continue;
        }
        let Ok(there) = std::fs::symlink_metadata(&path) else {
            lines.insert(format!("file {name} went while it was read"));
            continue;
        };
        lines.insert(format!(
            "file {name} {:o} {}:{} {} {}.{}",
            there.mode(),
            there.uid(),
            there.gid(),
            there.size(),
            there.ctime(),
            there.ctime_nsec()
        ));
        if there.is_dir() {
            files(root, &path, lines);
        }
    }
}
