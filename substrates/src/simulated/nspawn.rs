//! Starts a machine: a supervisor script that outlives this process, and systemd-nspawn under it.
//!
//! The supervisor is a POSIX sh script in the rehearsal's folder, run by setsid in a mount namespace of its own, so that
//! the overlay is in nobody else's mount table and goes with it. nspawn ends with 133 when the machine has asked for a reboot
//! (`--keep-unit`, systemd 252); the supervisor then starts it again, as firmware would.

use super::command::{self, CommandError};
use super::kernel_log::{self, KernelLogServer};
use super::network;
use super::state::{self, HostRecord, StateError};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A machine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its scripts could not be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its supervisor could not be started.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Quotes a word for sh.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

/// Writes the scripts and starts the supervisor. Returns as soon as it is started; the machine boots meanwhile.
pub(super) fn start(
    rehearsal: &str,
    record: &HostRecord,
    directory: &Path,
    rootfs: &Path,
    cgroups: &[PathBuf],
    kernel_log: &KernelLogServer,
) -> Result<(), StartError> {
    let supervisor = directory.join("supervisor.sh");
    state::write(
        &directory.join("machine.sh"),
        0o700,
        &machine_script(record, directory, cgroups),
    )?;
    state::write(
        &supervisor,
        0o700,
        &supervisor_script(record, directory, rootfs, cgroups, kernel_log),
    )?;
    let net = format!("--net={}", network::path(rehearsal).display());
    let script = supervisor.to_string_lossy();
    let arguments = [
        "--fork",
        "nsenter",
        &net,
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        &script,
    ];
    command::run("start the machine's supervisor", "setsid", &arguments)?;
    Ok(())
}

fn supervisor_script(
    record: &HostRecord,
    directory: &Path,
    rootfs: &Path,
    cgroups: &[PathBuf],
    kernel_log: &KernelLogServer,
) -> String {
    let mut clean = String::new();
    for group in cgroups {
        let _ = writeln!(
            clean,
            "  find {} -mindepth 1 -depth -type d -exec rmdir {{}} + 2>/dev/null",
            quoted(group)
        );
    }
    format!(
        r#"#!/bin/sh
# Runs the simulated machine {name} and starts it again when it reboots. Ended by `bedplate rehearse --down`.
exec </dev/null >>{dir}/console.log 2>&1
cd /
started() {{ sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20; }}
echo "$$ $(started $$)" > {dir}/supervisor.pid
set -e
mount -t overlay overlay -o {lower},{upper},{work} {dir}/root
# nspawn's own notes stay in this mount namespace.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
set +e
while :; do
  # A machine that lost its power leaves its link and its cgroups.
  ip link delete vb-{machine} 2>/dev/null
{clean}  # A kernel log of its own for each boot, and there before the machine is.
  umount --lazy {kmsg} 2>/dev/null
  {server} {kmsg} &
  server=$!
  echo "$server $(started $server)" > {dir}/kmsg.pid
  tries=0
  until mountpoint -q {kmsg}; do
    tries=$((tries + 1))
    if [ $tries -gt 200 ] || ! kill -0 $server; then
      echo "the kernel log has not been mounted within 10 s"
      exit 1
    fi
    sleep 0.05
  done
  sh {dir}/machine.sh &
  machine=$!
  echo "$machine $(started $machine)" > {dir}/machine.pid
  wait $machine
  ended=$?
  echo "systemd-nspawn ended with $ended"
  kill $server
  wait $server
  [ "$ended" = 133 ] || break
done
"#,
        name = record.name,
        machine = record.machine(),
        dir = quoted(directory),
        kmsg = quoted(&kernel_log::mount_point(directory)),
        server = quoted(&kernel_log.program),
        lower = quoted(&PathBuf::from(format!("lowerdir={}", rootfs.display()))),
        upper = quoted(&PathBuf::from(format!("upperdir={}/upper", directory.display()))),
        work = quoted(&PathBuf::from(format!("workdir={}/work", directory.display()))),
    )
}

fn machine_script(record: &HostRecord, directory: &Path, cgroups: &[PathBuf]) -> String {
    let mut enter = String::new();
    for group in cgroups {
        let _ = writeln!(enter, "echo $$ > {}/cgroup.procs || exit 1", quoted(group));
    }
    // An overlay's upper directory cannot lie on an overlay: container layers, pod volumes and etcd get real directories.
    let mut binds: Vec<String> = super::host::DATA
        .iter()
        .map(|name| format!("--bind={}:/var/lib/{name}", quoted(&directory.join("data").join(name))))
        .collect();
    binds.push(format!("--bind={}:/dev/kmsg", quoted(&kernel_log::device(directory))));
    format!(
        r#"#!/bin/sh
# Enters the machine's cgroups and becomes systemd-nspawn.
{enter}export SYSTEMD_NSPAWN_LOCK=0
exec systemd-nspawn --quiet --boot --directory={dir}/root --machine={machine} --hostname={name} \
  --network-bridge={bridge} --keep-unit --register=no --link-journal=no --resolv-conf=off --timezone=off \
  --capability=all --system-call-filter="add_key keyctl bpf perf_event_open" \
  {binds}
"#,
        dir = quoted(directory),
        machine = record.machine(),
        name = quoted(Path::new(&record.name)),
        bridge = network::BRIDGE,
        binds = binds.join(" "),
    )
}
