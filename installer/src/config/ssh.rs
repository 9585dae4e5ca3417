//! `ssh:`, how hosts are reached. Called by the room's `mod`.

use super::Surroundings;
use super::reader::{Reader, Table};
use saphyr::MarkedYaml;
use std::path::PathBuf;

/// How hosts are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSpec {
    /// Root, or a user who may run `sudo -n`. Default `root`.
    pub user: String,
    /// The private key; absolute. Default `~/.ssh/id_ed25519`.
    pub key: PathBuf,
    /// TCP port. Default 22.
    pub port: u16,
    /// Host keys for nodes without `hostKey`; absolute. Default `~/.ssh/known_hosts`.
    pub known_hosts: PathBuf,
}

pub(in crate::config) fn read(
    node: Option<&MarkedYaml<'_>>,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> SshSpec {
    let table = node.and_then(|node| Table::read(node, "ssh", &["user", "key", "port", "knownHosts"], reader));
    let mut text = |key: &str| {
        table
            .as_ref()
            .and_then(|table| table.text(key, reader))
            .map(|(text, _)| text)
    };
    let user = text("user").unwrap_or_else(|| "root".to_owned());
    let key = around.path(text("key").as_deref().unwrap_or("~/.ssh/id_ed25519"));
    let known_hosts = around.path(text("knownHosts").as_deref().unwrap_or("~/.ssh/known_hosts"));
    let port = table
        .as_ref()
        .and_then(|table| table.number("port", &(1..=65535), reader))
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(22);
    SshSpec {
        user,
        key,
        port,
        known_hosts,
    }
}
