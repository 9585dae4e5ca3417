//! What makes one machine different from the shared root file system: written into its overlay before it boots.

use super::command::{self, CommandError};
use super::gpu::{self, SimulatedNvml};
use super::state::{self, HostRecord, StateError, at};
use super::{kernel_log, network};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Directories of `/var/lib` that lie on the real disk instead of the overlay.
pub(super) const DATA: &[&str] = &["containerd", "kubelet", "etcd"];

/// A machine's files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file.
    #[error(transparent)]
    State(#[from] StateError),
    /// ssh-keygen.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Its GPUs.
    #[error(transparent)]
    Gpu(#[from] gpu::GpuError),
}

/// The unit that gives the machine its hardware at each boot.
const HARDWARE_UNIT: &str = "[Unit]
Description=Hardware of this machine
DefaultDependencies=no
Before=sysinit.target systemd-sysctl.service systemd-modules-load.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /usr/local/lib/machine-hardware/boot.sh
[Install]
WantedBy=sysinit.target
";

/// Makes an SSH key pair unless it is there, and gives the public line.
pub(super) fn ssh_key(path: &Path, comment: &str) -> Result<String, HostError> {
    if !path.exists() {
        let file = path.to_string_lossy();
        command::run(
            "make an SSH key",
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &file],
        )?;
    }
    let public = path.with_extension("pub");
    Ok(fs::read_to_string(&public).map_err(at(&public))?.trim().to_owned())
}

/// Writes everything that `record`'s machine needs before its first boot under `directory`.
pub(super) fn prepare(
    record: &HostRecord,
    all: &[HostRecord],
    directory: &Path,
    authorized: &str,
    nvml: &SimulatedNvml,
) -> Result<(), HostError> {
    let upper = directory.join("upper");
    state::private_directory(&kernel_log::mount_point(directory))?;
    for name in ["upper", "work", "root"] {
        let path = directory.join(name);
        fs::create_dir_all(&path).map_err(at(&path))?;
        // The machine's own root directory: sshd and others refuse one that strangers cannot walk.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(at(&path))?;
    }
    for name in DATA {
        let path = directory.join("data").join(name);
        fs::create_dir_all(&path).map_err(at(&path))?;
    }
    let file = |path: &str, mode: u32, content: &str| state::write(&upper.join(path), mode, content);
    let link = |path: &str, to: &str| -> Result<(), StateError> {
        let path = upper.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        let _ = fs::remove_file(&path);
        symlink(to, &path).map_err(at(&path))
    };

    state::private_directory(&upper.join("root/.ssh"))?;
    fs::set_permissions(upper.join("root"), fs::Permissions::from_mode(0o700)).map_err(at(&upper.join("root")))?;
    file("root/.ssh/authorized_keys", 0o600, &format!("{authorized}\n"))?;
    fs::create_dir_all(upper.join("etc/ssh")).map_err(at(&upper.join("etc/ssh")))?;
    ssh_key(&upper.join("etc/ssh/ssh_host_ed25519_key"), &record.name)?;

    file("etc/hostname", 0o644, &format!("{}\n", record.name))?;
    let machine_id = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .unwrap_or_default()
        .replace('-', "");
    file("etc/machine-id", 0o444, &machine_id)?;
    let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for other in all {
        let _ = writeln!(hosts, "{} {}", other.address, other.name);
    }
    file("etc/hosts", 0o644, &hosts)?;
    let gateway = network::gateway(record.address);
    // Nobody answers there, as on a site without internet; it is no loopback address, so CoreDNS finds no loop.
    file(
        "etc/resolv.conf",
        0o644,
        &format!("nameserver {gateway}\noptions timeout:1 attempts:1\n"),
    )?;
    file(
        "etc/systemd/network/10-host0.network",
        0o644,
        &format!(
            "[Match]\nName=host0\n[Network]\nAddress={}/24\nGateway={gateway}\nLinkLocalAddressing=no\n",
            record.address
        ),
    )?;
    // Containers outlive containerd and ignore SIGTERM; the default of 90 s would make each reboot that long.
    file(
        "etc/systemd/system.conf.d/stop.conf",
        0o644,
        "[Manager]\nDefaultTimeoutStopSec=5s\n",
    )?;
    let wants = "etc/systemd/system/multi-user.target.wants";
    link(
        &format!("{wants}/systemd-networkd.service"),
        "/lib/systemd/system/systemd-networkd.service",
    )?;
    for unit in ["systemd-networkd-wait-online.service", "systemd-resolved.service"] {
        link(&format!("etc/systemd/system/{unit}"), "/dev/null")?;
    }
    file(
        "usr/local/lib/machine-hardware/boot.sh",
        0o755,
        include_str!("machine-hardware.sh"),
    )?;
    file("etc/systemd/system/machine-hardware.service", 0o644, HARDWARE_UNIT)?;
    link(
        "etc/systemd/system/sysinit.target.wants/machine-hardware.service",
        "/etc/systemd/system/machine-hardware.service",
    )?;
    if let Some(gpus) = &record.gpus {
        gpu::install(&upper, &record.name, gpus, nvml)?;
    }
    Ok(())
}

/// The public key that the machine's sshd shows.
pub(super) fn host_key(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("upper/etc/ssh/ssh_host_ed25519_key.pub")).ok()?;
    let mut words = text.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}
