//! What serde says of a mistake, in words for who wrote the file, and what to write instead. Pure; called by [`super::yaml`].

use super::keys::Key;
use crate::nearest::nearest;
use serde_json::Value;

/// Where nothing better is known.
pub(super) const CURE: &str = "correct the line; docs/agent.md has every key";
const ADDRESS: &str = "write it like 127.0.0.1:9479, 0.0.0.0:9479 or \"[::]:9479\"";

/// The message and its cure: `place` is where serde stopped, `value` what is written there, `keys` are all that there are.
pub(super) fn told(place: &[String], words: &str, value: Option<&Value>, keys: &[Key]) -> (String, String) {
    let key = place.join(".");
    if let Some(rest) = words.strip_prefix("unknown field `") {
        return unknown_key(place, rest, keys);
    }
    if let Some(what) = words.strip_prefix("missing field ") {
        let message = if key.is_empty() {
            format!("missing: {what}")
        } else {
            format!("{key}: missing: {what}")
        };
        return (message, "add it".to_owned());
    }
    if words.starts_with("unknown variant `") {
        let mut named = words.split('`').skip(1).step_by(2);
        let wrong = named.next().unwrap_or_default();
        let known: Vec<&str> = named.collect();
        let cure = nearest(wrong, known.iter().copied()).map_or_else(
            || format!("write one of: {}", known.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        return (
            format!("`{key}` is {wrong:?}, which is none of {}", known.join(", ")),
            cure,
        );
    }
    if words == "invalid socket address syntax" {
        let message = format!("`{key}` is {}, which is no address with a port", shown(value));
        return (message, ADDRESS.to_owned());
    }
    let other = words.starts_with("invalid type: ") || words.starts_with("invalid value: ");
    if let Some((_, expected)) = words.rsplit_once(", expected ").filter(|_| other && !key.is_empty()) {
        return another_type(&key, place, expected, value);
    }
    let message = match value {
        _ if key.is_empty() => words.to_owned(),
        Some(Value::String(text)) if !words.contains(text.as_str()) => format!("{key}: {text:?}: {words}"),
        _ => format!("{key}: {words}"),
    };
    (message, CURE.to_owned())
}

/// `rest` is serde's words from the key on: the key, and those that it could have been.
fn unknown_key(place: &[String], rest: &str, keys: &[Key]) -> (String, String) {
    let (wrong, expected) = rest.split_once('`').unwrap_or((rest, ""));
    let above = place.split_last().map_or(&[][..], |(_, above)| above);
    let message = if above.is_empty() {
        format!("unknown key `{wrong}`")
    } else {
        format!("unknown key `{wrong}` in {}", above.join("."))
    };
    let mut homes: Vec<String> = keys
        .iter()
        .filter_map(|key| key.split_last().filter(|(last, _)| **last == wrong))
        .map(|(_, table)| match table {
            [] => "at the top of the file".to_owned(),
            table => format!("under `{}:`", table.join(".")),
        })
        .collect();
    homes.sort();
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let cure = if homes.is_empty() {
        nearest(wrong, known.iter().copied()).map_or_else(
            || format!("the keys there are: {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        )
    } else {
        format!("`{wrong}` belongs {}", homes.join(" or "))
    };
    (message, cure)
}

/// A value of another type than the key wants.
fn another_type(key: &str, place: &[String], expected: &str, value: Option<&Value>) -> (String, String) {
    let last = place.last().map_or(key, String::as_str);
    let scalar = matches!(value, Some(Value::Number(_) | Value::Bool(_)));
    let (wanted, cure) = match expected {
        "a string" | "path string" => (
            "text",
            if scalar {
                // Not as it was read: 580.10 is the number 580.1.
                format!("write {last}: \"…\", in quotes")
            } else {
                format!("write text behind {last}:")
            },
        ),
        "u32" => (
            "a whole number from 0 to 4294967295",
            format!("write a number without quotes behind {last}:"),
        ),
        "a boolean" => ("true or false", format!("write {last}: true or {last}: false")),
        "a sequence" => (
            "a list",
            format!("write what belongs to {last}: beneath it, each with a - before it"),
        ),
        "socket address" => ("an address with a port", ADDRESS.to_owned()),
        table if table.starts_with("struct ") => (
            "a table of keys",
            format!("write the keys of {last}: beneath it, or leave it out; docs/agent.md has them"),
        ),
        other => (other, format!("write {other} behind {last}:")),
    };
    (format!("`{key}` is {}, and must be {wanted}", shown(value)), cure)
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "empty".to_owned(),
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::Object(_)) => "a table of keys".to_owned(),
        Some(scalar) => scalar.to_string(),
    }
}
