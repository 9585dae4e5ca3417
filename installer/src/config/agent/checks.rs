//! `agent.checks`: what an operator wants otherwise than the agent's table of reasons has it, for a time. Called by `agent:` only.

use crate::config::nearest::nearest;
use crate::config::reader::{Reader, Table, list};
use jiff::Timestamp;
use saphyr::{MarkedYaml, Marker};
use serde_json::{Map, Value};

/// What can be changed, and to what (`docs/agent.md`).
const CHOICES: &[(&str, &[&str])] = &[
    ("mode", &["off", "monitor", "on"]),
    ("severity", &["info", "warning", "error"]),
    (
        "action",
        &["restart-app", "reset-gpu", "reboot", "power-cycle", "service"],
    ),
];

/// The overrides as they are written; a code that no check gives is warned of.
pub(super) fn read(node: &MarkedYaml<'_>, codes: &[&str], reader: &mut Reader<'_>) -> Vec<Value> {
    let mut checks = Vec::new();
    for (index, item) in list(node, "agent.checks", reader).iter().enumerate() {
        if let Some(table) = Table::read(item, &format!("agent.checks[{index}]"), reader) {
            checks.push(Value::Object(one(&table, codes, reader)));
        }
    }
    checks
}

fn one(table: &Table<'_, '_>, codes: &[&str], reader: &mut Reader<'_>) -> Map<String, Value> {
    let mut check = Map::new();
    let mut keep = |key: &str, value: Option<Value>| check.extend(value.map(|value| (key.to_owned(), value)));
    let code = table.text("code", reader);
    let xid = table.number("xid", &(1..=u32::MAX), reader);
    match (&code, table.get("xid")) {
        (None, None) if table.get("code").is_none() => table.missing("code", reader),
        (Some((code, at)), Some(_)) if !code.starts_with("xid-") => reader.error(
            *at,
            "config-bad-value",
            format!("`xid` goes with the codes of XIDs, and `{code}` is none"),
            "Leave `code` out, or write `xid-*`.",
        ),
        (Some((code, at)), _) => warn_of_unknown(code, *at, codes, reader),
        _ => {}
    }
    keep("code", code.map(|(code, _)| Value::String(code)));
    keep("xid", xid.map(Value::from));
    if let Some((gpu, at)) = table.text("gpu", reader) {
        if !names_a_gpu(&gpu) {
            reader.error(
                at,
                "config-bad-value",
                format!("`{}` is {gpu:?}, which names no GPU", table.path("gpu")),
                "Write its UUID (GPU-…) or its PCI address (0000:17:00.0); `bedplate-agent check` on the node prints both.",
            );
        }
        keep("gpu", Some(Value::String(gpu)));
    }
    for (key, choices) in CHOICES {
        keep(key, choice(table, key, choices, reader).map(Value::String));
    }
    if CHOICES.iter().all(|(key, _)| table.get(key).is_none()) {
        table.missing("mode", reader);
    }
    for key in ["owner", "reason"] {
        keep(
            key,
            table.required_text(key, reader).map(|(text, _)| Value::String(text)),
        );
    }
    if let Some((text, at)) = table.required_text("expires", reader) {
        if text.parse::<Timestamp>().is_err() {
            reader.error(
                at,
                "config-bad-value",
                format!("`{}` is {text:?}, which is no time", table.path("expires")),
                "Write date, time and zone: 2027-01-31T00:00:00Z.",
            );
        }
        keep("expires", Some(Value::String(text)));
    }
    check
}

/// A UUID, or a PCI address in any of the forms that the agent takes; anything else would keep the agent from starting.
fn names_a_gpu(text: &str) -> bool {
    let hexadecimal = |text: &str, most: usize, below: u32| {
        let right = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        right && u32::from_str_radix(text, 16).is_ok_and(|number| number < below)
    };
    let address = text.strip_prefix("PCI:").unwrap_or(text);
    let (slot, function) = address.split_once('.').unwrap_or((address, "0"));
    let parts: Vec<&str> = slot.split(':').collect();
    let is_address = matches!(parts.as_slice(), [domain, bus, device]
        if hexadecimal(domain, 8, u32::MAX) && hexadecimal(bus, 2, 256) && hexadecimal(device, 2, 32));
    text.starts_with("GPU-") || (is_address && hexadecimal(function, 1, 8))
}

fn choice(table: &Table<'_, '_>, key: &str, choices: &[&str], reader: &mut Reader<'_>) -> Option<String> {
    let (text, at) = table.text(key, reader)?;
    if choices.contains(&text.as_str()) {
        return Some(text);
    }
    let remedy = match nearest(&text, choices) {
        Some(close) => format!("Write `{key}: {close}`."),
        None => format!("Write one of: {}.", choices.join(", ")),
    };
    let message = format!("`{}` is {text:?}, which is none of its values", table.path(key));
    reader.error(at, "config-bad-value", message, remedy);
    None
}

/// `codes` may end in `*` for any rest, and so may a code here for several: `xid-*`.
fn warn_of_unknown(code: &str, at: Marker, codes: &[&str], reader: &mut Reader<'_>) {
    let is = |known: &&str| match (known.strip_suffix('*'), code.strip_suffix('*')) {
        (_, Some(beginning)) => beginning.ends_with('-') && known.starts_with(beginning),
        (Some(beginning), None) => code.starts_with(beginning),
        (None, None) => *known == code,
    };
    if codes.iter().any(is) {
        return;
    }
    let remedy = match nearest(code, codes) {
        Some(close) => format!("Write `{close}`, or remove it. docs/findings.md lists every code."),
        None => "Remove it. docs/findings.md lists every code.".to_owned(),
    };
    let message = format!("no check of the agent makes a finding called `{code}`");
    reader.warning(at, "config-unknown-code", message, remedy);
}
