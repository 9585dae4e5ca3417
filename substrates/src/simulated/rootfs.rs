//! The one root file system that all simulated machines share, read-only, under an overlay of their own.
//!
//! A plain Debian 12 server and nothing of Kubernetes: what a node needs beyond this, the product must bring itself.
//! Made once a machine by mmdebstrap, under a temporary name that is renamed when it is complete.

use super::command::{self, CommandError};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a Debian server with OpenSSH, nftables and the usual network tools has.
const PACKAGES: &str = "systemd,systemd-sysv,systemd-timesyncd,libpam-systemd,dbus,openssh-server,iproute2,iputils-ping,procps,\
ca-certificates,kmod,mount,util-linux,iptables,nftables,conntrack,ethtool,socat,ipset,curl,sudo";
const SUITE: &str = "bookworm";
/// A guess with much room, for slow mirrors.
const MADE_WITHIN: Duration = Duration::from_mins(30);

/// The root file system could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// A directory or the lock beside it.
    #[error("{path}: {source}; set BEDPLATE_CACHE to a directory that root can write")]
    Io {
        /// Which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process makes it, and does not come to an end.
    #[error(
        "another process has been making the root file system for {seconds} s; `fuser -v {path}` names it: end it, then run again"
    )]
    Busy {
        /// The lock.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// mmdebstrap has failed.
    #[error(
        "Debian's packages could not be installed; check that {mirror} answers, or name another `simulated.mirror`"
    )]
    Mmdebstrap {
        /// Where the packages come from.
        mirror: String,
        /// What it said.
        source: CommandError,
    },
}

/// Where it lies, or will lie.
pub(super) fn path(cache: &Path) -> PathBuf {
    let hash = hex::encode(Sha256::digest(format!("{SUITE} {PACKAGES}")));
    cache.join(format!("rootfs-{}", &hash[..16]))
}

/// Makes it unless it is there. Two processes that want it at once make it once.
pub(super) fn ensure(
    cache: &Path,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, RootfsError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| RootfsError::Io { path, source }
    };
    let rootfs = path(cache);
    if rootfs.is_dir() {
        return Ok(rootfs);
    }
    fs::create_dir_all(cache).map_err(at(cache))?;
    let lock_path = cache.join("rootfs.lock");
    let lock = fs::File::create(&lock_path).map_err(at(&lock_path))?;
    take_turn(&lock, &lock_path, progress)?;
    if rootfs.is_dir() {
        return Ok(rootfs);
    }
    let partial = rootfs.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(at(&partial))?;
    }
    let include = format!("--include={PACKAGES}");
    // Every machine has its own identity: what the packages generated must not be shared through the lower layer.
    let forget = "--customize-hook=rm -f \"$1\"/etc/ssh/ssh_host_*; : > \"$1\"/etc/machine-id; rm -f \"$1\"/etc/hostname \"$1\"/etc/resolv.conf";
    let target = partial.to_string_lossy();
    let mut arguments = vec!["--quiet", "--variant=minbase", &include, forget, SUITE, &target];
    // Without one, mmdebstrap takes Debian's own and its security updates.
    arguments.extend(mirror);
    let purpose = "make the machines' root file system";
    command::run_within(purpose, "mmdebstrap", &arguments, MADE_WITHIN, progress).map_err(|source| {
        RootfsError::Mmdebstrap {
            mirror: mirror.unwrap_or("Debian's own mirror").to_owned(),
            source,
        }
    })?;
    fs::rename(&partial, &rootfs).map_err(at(&rootfs))?;
    Ok(rootfs)
}

/// Waits until no other process makes the root file system.
fn take_turn(lock: &fs::File, path: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), RootfsError> {
    let since = Instant::now();
    let mut told = None;
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) if since.elapsed() > MADE_WITHIN => {
                return Err(RootfsError::Busy {
                    path: path.to_owned(),
                    seconds: MADE_WITHIN.as_secs(),
                });
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                if told.is_none_or(|told: Instant| told.elapsed() > Duration::from_secs(30)) {
                    told = Some(Instant::now());
                    let seconds = since.elapsed().as_secs();
                    progress(&format!(
                        "waits for another process that makes the root file system since {seconds} s"
                    ));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) => {
                return Err(RootfsError::Io {
                    path: path.to_owned(),
                    source: error.into(),
                });
            }
        }
    }
}
