//! `agent.listen` and `agent.serve`: where the agent answers, and who may ask. Called by `agent:` only.

use crate::config::reader::{Reader, Table};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// The keys that the file has. An address that other machines reach needs a certificate and a token, which lie on each node already:
/// the agent does not start without.
pub(super) fn read(table: &Table<'_, '_>, reader: &mut Reader<'_>) -> Map<String, Value> {
    let mut settings = Map::new();
    let serve = table
        .get("serve")
        .and_then(|node| Table::read(node, "agent.serve", reader));
    let mut kept = Map::new();
    let (mut tls, mut token) = (false, false);
    if let Some(serve) = &serve {
        if let Some(files) = serve
            .get("tls")
            .and_then(|node| Table::read(node, "agent.serve.tls", reader))
        {
            let certificate = path(&files, "certificateFile", true, reader);
            let key = path(&files, "keyFile", true, reader);
            kept.insert(
                "tls".to_owned(),
                json!({"certificateFile": certificate, "keyFile": key}),
            );
        }
        // A mistake in one of them is told by itself.
        (tls, token) = (serve.get("tls").is_some(), serve.get("tokenFile").is_some());
        for key in ["tokenFile", "podResourcesSocket"] {
            let file = path(serve, key, false, reader);
            kept.extend(file.map(|file| (key.to_owned(), Value::String(file))));
        }
        settings.insert("serve".to_owned(), Value::Object(kept));
    }
    let Some((text, at)) = table.text("listen", reader) else {
        return settings;
    };
    match text.parse::<SocketAddr>() {
        Err(_) => reader.error(
            at,
            "config-bad-value",
            format!("`agent.listen` is {text:?}, which is no address with a port"),
            "Write it like 127.0.0.1:9479, 0.0.0.0:9479 or \"[::]:9479\".",
        ),
        Ok(listen) if !listen.ip().to_canonical().is_loopback() && (!tls || !token) => reader.error(
            at,
            "config-missing-key",
            format!("`agent.listen` is {listen}, which other machines reach, without a certificate and a token"),
            "Add serve: {tls: {certificateFile: …, keyFile: …}, tokenFile: …} with files that lie on each node, or listen on 127.0.0.1.",
        ),
        Ok(_) => {
            settings.insert("listen".to_owned(), Value::String(text));
        }
    }
    settings
}

/// A file on the node, by its whole path.
fn path(table: &Table<'_, '_>, key: &str, required: bool, reader: &mut Reader<'_>) -> Option<String> {
    let (text, at) = if required {
        table.required_text(key, reader)?
    } else {
        table.text(key, reader)?
    };
    if Path::new(&text).is_absolute() {
        return Some(text);
    }
    reader.error(
        at,
        "config-bad-value",
        format!("`{}` is {text:?}, which is no whole path", table.path(key)),
        format!("Write where it lies on each node, from the root: {key}: /etc/bedplate/…"),
    );
    None
}
