//! Network interfaces: names, hardware addresses and MTU from `/sys/class/net`, IP addresses of the running host from
//! `getifaddrs` (through sysinfo). Called by [`crate::host`] only.

use super::Tree;
use bedplate_protocol::facts::NetworkFacts;

/// All interfaces, loopback too.
pub(super) fn read(tree: &Tree) -> Vec<NetworkFacts> {
    let running = if tree.is_running_host() {
        sysinfo::Networks::new_with_refreshed_list()
            .map_err(|error| tree.note("sys/class/net", &error))
            .ok()
    } else {
        None
    };
    tree.names("sys/class/net")
        .into_iter()
        // `bonding_masters` is a file beside the interfaces.
        .filter(|name| tree.exists(format!("sys/class/net/{name}/mtu")))
        .map(|name| {
            let file = |field: &str| tree.word(&format!("sys/class/net/{name}/{field}")).unwrap_or_default();
            let mut addresses: Vec<String> = running
                .as_ref()
                .and_then(|networks| networks.get(std::ffi::OsStr::new(&name)))
                .map(|data| data.ip_networks().iter().map(ToString::to_string).collect())
                .unwrap_or_default();
            addresses.sort();
            NetworkFacts {
                mac: file("address"),
                mtu: file("mtu").parse().unwrap_or(0),
                addresses,
                name,
            }
        })
        .collect()
}
