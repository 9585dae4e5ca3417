//! `ssh:`, how hosts are reached. Called by the room's `mod`.

use super::reader::{Reader, Table};
use super::{NamedFile, Surroundings};
use saphyr::MarkedYaml;
use std::path::PathBuf;

/// How hosts are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSpec {
    /// Root, or a user who may run `sudo -n`. Default `root`.
    pub user: String,
    /// TCP port. Default 22.
    pub port: u16,
    /// Host keys for nodes without `hostKey`; absolute. Default `~/.ssh/known_hosts`.
    pub known_hosts: PathBuf,
}

/// The section, and the private key that it names (default `~/.ssh/id_ed25519`).
pub(in crate::config) fn read(
    node: Option<&MarkedYaml<'_>>,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> (SshSpec, NamedFile) {
    let table = node.and_then(|node| Table::read(node, "ssh", reader));
    let mut text = |key: &str| table.as_ref().and_then(|table| table.text(key, reader));
    let user = text("user").map_or_else(|| "root".to_owned(), |(user, _)| user);
    let key = text("key");
    let known_hosts = text("knownHosts");
    let known_hosts = around.path(known_hosts.as_ref().map_or("~/.ssh/known_hosts", |(path, _)| path));
    let port = table
        .as_ref()
        .and_then(|table| table.number("port", &(1..=65535), reader))
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(22);
    let spec = SshSpec {
        user,
        port,
        known_hosts,
    };
    (spec, around.named(key, "~/.ssh/id_ed25519", "ssh.key", reader.file()))
}
