//! One simulated machine without GPUs, for tests that need a host and no cluster. Called by the tests that log in to it.

use crate::built::host_options;
use bedplate_ssh::Target;
use bedplate_substrates::simulated::{Hosts, Spec};
use std::net::Ipv4Addr;

/// The machine's name.
pub const HOST: &str = "gpu-1";

/// Removes a machine that this or an earlier run of the test has left.
pub fn remove(rehearsal: &str) {
    if let Ok(Some(left)) = Hosts::existing(rehearsal, &host_options()) {
        left.down().expect("the machine can be removed");
    }
}

/// Removes the machine when it is dropped, also when an assertion fails. Declared before the machine, so dropped after it.
#[derive(Debug)]
pub struct RemoveAtEnd(pub &'static str);

impl Drop for RemoveAtEnd {
    fn drop(&mut self) {
        remove(self.0);
    }
}

/// Makes the machine, with its last octet's network to itself, and enters its network with the calling thread.
pub fn up(rehearsal: &str, network: u8) -> Hosts {
    remove(rehearsal);
    let nodes = [(HOST.to_owned(), Ipv4Addr::new(10, network, 0, 11))];
    let hosts = Hosts::prepare(rehearsal, &Spec::default(), &nodes, &host_options()).unwrap_or_else(|findings| {
        panic!(
            "{}",
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        )
    });
    hosts.up(|line| println!("{line}")).expect("the machine starts");
    hosts
}

/// Where it is, as root.
pub fn target(hosts: &Hosts) -> Target {
    hosts.machines().swap_remove(0).target
}
