//! A length of time as the agent reads it: whole seconds, minutes or hours, `10s`, `5m`, `1h`. Called by `agent:` only.

use crate::config::reader::{Reader, Table};
use bedplate_protocol::period::seconds;
use std::ops::RangeInclusive;

/// An optional length of time within a range of seconds, as it is written.
pub(super) fn read(
    table: &Table<'_, '_>,
    key: &str,
    range: RangeInclusive<u64>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let (text, at) = table.text(key, reader)?;
    if seconds(&text).is_some_and(|seconds| range.contains(&seconds)) {
        return Some(text);
    }
    reader.error(
        at,
        "config-bad-value",
        format!(
            "`{}` is {text:?}, which is no length of time that can be used",
            table.path(key)
        ),
        format!("Write it like 10s or 2m, from {}s to {}s.", range.start(), range.end()),
    );
    None
}
