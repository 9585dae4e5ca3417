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

/// What a Debian server with OpenSSH, nftables and the usual network tools has.
const PACKAGES: &str = "systemd,systemd-sysv,systemd-timesyncd,libpam-systemd,dbus,openssh-server,iproute2,iputils-ping,procps,\
ca-certificates,kmod,mount,util-linux,iptables,nftables,conntrack,ethtool,socat,ipset,curl,sudo";
const SUITE: &str = "bookworm";

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
pub(super) fn ensure(cache: &Path, mirror: Option<&str>) -> Result<PathBuf, RootfsError> {
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
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| at(&lock_path)(error.into()))?;
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
    command::run("make the machines' root file system", "mmdebstrap", &arguments).map_err(|source| {
        RootfsError::Mmdebstrap {
            mirror: mirror.unwrap_or("Debian's own mirror").to_owned(),
            source,
        }
    })?;
    fs::rename(&partial, &rootfs).map_err(at(&rootfs))?;
    Ok(rootfs)
}
