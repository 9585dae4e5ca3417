//! `nodes:`, the machines. Called by the room's `mod`.

use super::kubernetes::KubernetesSpec;
use super::names;
use super::reader::{Reader, Table, list};
use bedplate_protocol::message::Expectation;
use saphyr::{MarkedYaml, Marker};
use std::net::Ipv4Addr;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name in the cluster.
    pub name: String,
    /// Where it is reached, and what other nodes reach it by.
    pub address: Ipv4Addr,
    /// What it is for.
    pub role: NodeRole,
    /// Its SSH host key as an OpenSSH public key line; without it known hosts decide.
    pub host_key: Option<String>,
    /// What its GPUs must be.
    pub expect: Expectation,
    /// The line it stands on, from 1.
    pub line: usize,
}

impl NodeSpec {
    /// Whether the file says that this machine has GPUs.
    pub fn has_gpus(&self) -> bool {
        self.expect.gpus.is_some_and(|count| count > 0)
    }
}

/// What a machine is for. Every node runs pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRole {
    /// Runs the API server and etcd, too.
    ControlPlane,
    /// Runs pods only.
    Worker,
}

/// More GPUs than any host has: the largest machines NVIDIA sells have 16 in one operating system (HGX-2); a larger number
/// is surely a slip.
const MAX_GPUS: u32 = 64;
/// More memory than any GPU has: a larger number is surely a number of MiB.
const MAX_MEMORY_GIB: u32 = 4096;
/// PCI Express Base Specification: no link is wider than 32 lanes.
const MAX_LANES: u32 = 32;

pub(in crate::config) fn read(
    root: &Table<'_, '_>,
    kubernetes: &KubernetesSpec,
    reader: &mut Reader<'_>,
) -> Option<Vec<NodeSpec>> {
    let Some(node) = root.get("nodes") else {
        root.missing("nodes", reader);
        return None;
    };
    let items = list(node, "nodes", reader);
    let mut nodes: Vec<NodeSpec> = Vec::new();
    let mut seen: Seen = Seen::default();
    for (index, item) in items.iter().enumerate() {
        nodes.extend(read_node(
            item,
            &format!("nodes[{index}]"),
            kubernetes,
            &mut seen,
            reader,
        ));
    }
    control_planes(&seen, node.span.start, reader);
    (nodes.len() == items.len()).then_some(nodes)
}

/// What earlier nodes have taken, whether or not the rest of them could be read.
#[derive(Default)]
struct Seen {
    names: Vec<(String, usize)>,
    addresses: Vec<(Ipv4Addr, usize)>,
    control_planes: Vec<Marker>,
    unreadable_role: bool,
}

fn read_node(
    item: &MarkedYaml<'_>,
    path: &str,
    kubernetes: &KubernetesSpec,
    seen: &mut Seen,
    reader: &mut Reader<'_>,
) -> Option<NodeSpec> {
    let Some(table) = Table::read(item, path, reader) else {
        seen.unreadable_role = true;
        return None;
    };
    let name = read_name(&table, seen, reader);
    let address = read_address(&table, kubernetes, seen, reader);
    let role = read_role(&table, seen, reader);
    let host_key = table
        .text("hostKey", reader)
        .and_then(|(text, at)| read_host_key(text, at, reader));
    let expect = table
        .get("expect")
        .map_or_else(Expectation::default, |node| read_expectation(node, path, reader));
    Some(NodeSpec {
        name: name?,
        address: address?,
        role: role?,
        host_key,
        expect,
        line: table.at().line(),
    })
}

fn read_name(table: &Table<'_, '_>, seen: &mut Seen, reader: &mut Reader<'_>) -> Option<String> {
    let (name, at) = table.required_text("name", reader)?;
    if !names::check_label(&name, &format!("`{}`", table.path("name")), at, reader) {
        return None;
    }
    if let Some((_, line)) = seen.names.iter().find(|(other, _)| *other == name) {
        reader.error(
            at,
            "config-duplicate",
            format!("two nodes are called {name}; the other one is on line {line}"),
            "Give this node a name of its own.",
        );
        return None;
    }
    seen.names.push((name.clone(), at.line()));
    Some(name)
}

fn read_address(
    table: &Table<'_, '_>,
    kubernetes: &KubernetesSpec,
    seen: &mut Seen,
    reader: &mut Reader<'_>,
) -> Option<Ipv4Addr> {
    let (text, at) = table.required_text("address", reader)?;
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        let message = format!("`{}` is {text:?}, no IPv4 address", table.path("address"));
        reader.error(
            at,
            "config-bad-value",
            message,
            "Write the host's IPv4 address, such as 10.0.0.11; names and IPv6 come with a later release.",
        );
        return None;
    };
    if let Some((_, line)) = seen.addresses.iter().find(|(other, _)| *other == address) {
        reader.error(
            at,
            "config-duplicate",
            format!("two nodes have the address {address}; the other one is on line {line}"),
            "Write the address of this node's own machine.",
        );
        return None;
    }
    seen.addresses.push((address, at.line()));
    for (what, subnet) in [("pod", kubernetes.pod_subnet), ("service", kubernetes.service_subnet)] {
        if subnet.contains(address) {
            reader.error(
                at,
                "config-overlap",
                format!("{address} lies in the {what} subnet {subnet}, so no packet would reach this host"),
                format!("Set `kubernetes: {{{what}Subnet: …}}` to a subnet that no host uses."),
            );
        }
    }
    Some(address)
}

fn read_role(table: &Table<'_, '_>, seen: &mut Seen, reader: &mut Reader<'_>) -> Option<NodeRole> {
    let role = table.required_text("role", reader);
    match role.as_ref().map(|(text, at)| (text.as_str(), *at)) {
        Some(("control-plane", at)) => {
            seen.control_planes.push(at);
            Some(NodeRole::ControlPlane)
        }
        Some(("worker", _)) => Some(NodeRole::Worker),
        other => {
            seen.unreadable_role = true;
            let (text, at) = other?;
            let message = format!("`{}` is {text:?}", table.path("role"));
            reader.error(at, "config-bad-value", message, "Write `control-plane` or `worker`.");
            None
        }
    }
}

fn control_planes(seen: &Seen, nodes: Marker, reader: &mut Reader<'_>) {
    if seen.control_planes.is_empty() && !seen.unreadable_role {
        reader.error(
            nodes,
            "config-missing-key",
            "no node has the role control-plane",
            "Give exactly one node `role: control-plane`; it runs pods, too.",
        );
    }
    for at in seen.control_planes.iter().skip(1) {
        reader.error(
            *at,
            "config-unsupported",
            "this version supports exactly one control-plane node; high availability comes with a later release",
            "Write `role: worker` here.",
        );
    }
}

/// An OpenSSH public key line: algorithm, base64, perhaps a comment (sshd(8), "`AUTHORIZED_KEYS` file format").
fn read_host_key(text: String, at: Marker, reader: &mut Reader<'_>) -> Option<String> {
    let mut words = text.split_whitespace();
    let algorithm = words.next().unwrap_or_default();
    let blob = words.next().unwrap_or_default();
    let known = ["ssh-ed25519", "ssh-rsa"].contains(&algorithm) || algorithm.starts_with("ecdsa-sha2-nistp");
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    if known && blob.len() >= 68 && blob.bytes().all(base64) {
        return Some(text);
    }
    reader.error(
        at,
        "config-bad-value",
        "`hostKey` is no OpenSSH public key line",
        "Write what `cat /etc/ssh/ssh_host_ed25519_key.pub` prints on that host: `ssh-ed25519 AAAA…`.",
    );
    None
}

fn read_expectation(node: &MarkedYaml<'_>, path: &str, reader: &mut Reader<'_>) -> Expectation {
    let Some(table) = Table::read(node, &format!("{path}.expect"), reader) else {
        return Expectation::default();
    };
    Expectation {
        gpus: table.number("gpus", &(0..=MAX_GPUS), reader),
        model: table.text("model", reader).map(|(text, _)| text),
        driver: table
            .text("driver", reader)
            .and_then(|(text, at)| read_driver(text, at, reader)),
        memory_gib: table.number("memoryGib", &(1..=MAX_MEMORY_GIB), reader),
        mig: table.flag("mig", reader),
        persistence: table.flag("persistence", reader),
        ecc: table.flag("ecc", reader),
        link_width: table.number("linkWidth", &(1..=MAX_LANES), reader),
    }
}

/// A driver's version or the beginning of it: numbers with dots between them.
fn read_driver(text: String, at: Marker, reader: &mut Reader<'_>) -> Option<String> {
    let numbers = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.split('.').all(numbers) {
        return Some(text);
    }
    reader.error(
        at,
        "config-bad-value",
        format!("`driver` is {text:?}, no version of NVIDIA's driver"),
        "Write what `cat /sys/module/nvidia/version` prints on that host, or its first number: \"580\".",
    );
    None
}
