//! What this machine must have before the first simulated machine is made. Reads only; every lack is a finding, all at once.

use bedplate_protocol::{Finding, Severity};
use rustix::process::geteuid;
use std::path::Path;

/// Programs that are started, each with the Debian 12 package that holds it.
const PROGRAMS: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("setsid", "util-linux"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("mountpoint", "util-linux"),
    ("ssh-keygen", "openssh-client"),
];

/// The root file system of the machines: 248 MB by `du` on 2026-11-21; the rest is room for packages being unpacked.
const ROOTFS_BYTES: u64 = 1 << 30;
/// A guess for one machine with Kubernetes' images unpacked, beside the 1 GiB that kubelet's `evictionHard` keeps free.
const HOST_BYTES: u64 = 5 << 29;
/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h: an overlay's upper directory must not lie on another overlay.
const OVERLAYFS_MAGIC: i64 = 0x794c_7630;

/// Everything that stops `hosts` machines from being made with their files under `cache`.
pub(super) fn missing(cache: &Path, hosts: usize, rootfs_is_there: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !geteuid().is_root() {
        findings.push(error(
            "not-root",
            "simulated machines are made of namespaces, mounts and cgroups, which only root may create",
            "run the same command with sudo",
        ));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut packages: Vec<&str> = Vec::new();
    for (program, package) in PROGRAMS {
        if !std::env::split_paths(&path).any(|directory| directory.join(program).is_file()) {
            packages.push(package);
            findings.push(error(
                "tool-missing",
                &format!("the program `{program}` is not in PATH"),
                &format!("apt-get install -y {package}"),
            ));
        }
    }
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.split_whitespace().any(|name| name == "overlay") {
        findings.push(error(
            "overlay-missing",
            "this kernel has no overlay file system (/proc/filesystems)",
            "modprobe overlay",
        ));
    }
    if !Path::new("/dev/fuse").exists() {
        findings.push(error(
            "fuse-missing",
            "there is no /dev/fuse, through which each machine gets a kernel log of its own",
            "modprobe fuse",
        ));
    }
    findings.extend(space(cache, hosts, rootfs_is_there));
    findings
}

fn space(cache: &Path, hosts: usize, rootfs_is_there: bool) -> Option<Finding> {
    let existing = cache.ancestors().find(|path| path.exists())?;
    let Ok(stat) = rustix::fs::statfs(existing) else {
        return None;
    };
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
    if stat.f_type as i64 == OVERLAYFS_MAGIC {
        return Some(error(
            "cache-on-overlay",
            &format!(
                "{} is on an overlay file system, and an overlay cannot lie on another",
                cache.display()
            ),
            "set BEDPLATE_CACHE to a directory on a real disk (ext4, xfs, btrfs)",
        ));
    }
    #[allow(
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "the block size is positive on every file system"
    )]
    let free = stat.f_bavail * stat.f_bsize as u64;
    let wanted = HOST_BYTES * hosts as u64 + if rootfs_is_there { 0 } else { ROOTFS_BYTES };
    (free < wanted).then(|| {
        error(
            "disk-too-small",
            &format!(
                "{} has {} MiB free, {hosts} simulated machines need {} MiB",
                existing.display(),
                free >> 20,
                wanted >> 20
            ),
            "free some space, or set BEDPLATE_CACHE to a directory on a larger disk",
        )
    })
}

fn error(code: &str, message: &str, remedy: &str) -> Finding {
    Finding::new(Severity::Error, code, "this machine", message, remedy)
}
