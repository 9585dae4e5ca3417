//! A network namespace of its own for each rehearsal, with one bridge in it. The outer machine gets no link, address or rule.

use super::command::{self, CommandError};
use super::spec::subnet;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The bridge that the machines hang on, inside the namespace.
pub(super) const BRIDGE: &str = "br0";
const NAMED: &str = "/run/netns";

/// The namespace could not be made, entered or removed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// `ip` has failed.
    #[error(transparent)]
    Ip(#[from] CommandError),
    /// The namespace cannot be entered.
    #[error(
        "the network namespace {path} cannot be entered: {source}; make the machines first: `bedplate rehearse --keep <config>`"
    )]
    Enter {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The namespace's name, as `ip netns` lists it.
pub(super) fn name(rehearsal: &str) -> String {
    format!("bedplate-{rehearsal}")
}

/// Where the namespace is named.
pub(super) fn path(rehearsal: &str) -> PathBuf {
    Path::new(NAMED).join(name(rehearsal))
}

/// The machines' gateway: .1 of their subnet.
pub(super) fn gateway(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c] = subnet(address);
    Ipv4Addr::new(a, b, c, 1)
}

/// Whether `/run/netns` has been set up by an earlier `ip netns add`; if not, [`remove`] undoes that too.
pub(super) fn directory_was_there() -> bool {
    Path::new(NAMED).exists()
}

/// Makes namespace and bridge, or what a killed run has left undone of them.
pub(super) fn create(rehearsal: &str, gateway: Ipv4Addr) -> Result<(), NetworkError> {
    let name = name(rehearsal);
    let path = path(rehearsal);
    // `ip netns add` makes a file and mounts the namespace on it; a file alone cannot be entered.
    if path.exists() && !is_namespace(&path) {
        command::run("remove half a network namespace", "ip", &["netns", "delete", &name])?;
    }
    if !path.exists() {
        command::run("make the network namespace", "ip", &["netns", "add", &name])?;
    }
    let inside = |purpose: &str, arguments: &[&str]| {
        let mut all = vec!["-n", name.as_str()];
        all.extend_from_slice(arguments);
        command::run(purpose, "ip", &all)
    };
    inside("bring up loopback in the namespace", &["link", "set", "lo", "up"])?;
    let links = inside("list the namespace's links", &["-o", "link", "show"])?;
    if !links.contains(&format!(" {BRIDGE}: ")) {
        inside("make the bridge", &["link", "add", BRIDGE, "type", "bridge"])?;
    }
    let network = format!("{gateway}/24");
    let addresses = inside("list the bridge's addresses", &["-o", "addr", "show", "dev", BRIDGE])?;
    if !addresses.contains(&format!(" {network} ")) {
        inside("give the bridge its address", &["addr", "add", &network, "dev", BRIDGE])?;
    }
    inside("bring up the bridge", &["link", "set", BRIDGE, "up"])?;
    Ok(())
}

/// `NSFS_MAGIC` of linux/magic.h.
fn is_namespace(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| i128::from(stat.f_type) == 0x6e73_6673)
}

/// Moves the calling thread, and what it starts from now on, into the namespace.
pub(super) fn enter(rehearsal: &str) -> Result<(), NetworkError> {
    let path = path(rehearsal);
    let failed = |source: io::Error| NetworkError::Enter {
        path: path.clone(),
        source,
    };
    let file = File::open(&path).map_err(failed)?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| failed(error.into()))
}

/// Removes the namespace; with it go the bridge and every link in it. Also what is left of a half-made one.
pub(super) fn remove(rehearsal: &str, directory_was_there: bool) -> Result<(), NetworkError> {
    let path = path(rehearsal);
    if path.exists() {
        command::run(
            "remove the network namespace",
            "ip",
            &["netns", "delete", &name(rehearsal)],
        )?;
    }
    let empty = std::fs::read_dir(NAMED).is_ok_and(|mut entries| entries.next().is_none());
    if !directory_was_there && empty {
        // `ip netns add` mounts the directory on itself so that it can be shared; nobody else uses it, so it goes.
        let _ = rustix::mount::unmount(NAMED, rustix::mount::UnmountFlags::DETACH);
        let _ = std::fs::remove_dir(NAMED);
    }
    Ok(())
}
