//! Reads marked YAML into Rust values and collects every mistake with its place. Decides nothing about meaning.
//! Called by the other files of this room.

use super::keys;
use super::nearest::nearest;
use bedplate_protocol::{Finding, Severity};
use saphyr::{MarkedYaml, Marker, Scalar, YamlData};
use std::ops::RangeInclusive;

/// Collects findings about one file.
pub(in crate::config) struct Reader<'f> {
    file: &'f str,
    findings: Vec<(usize, usize, Finding)>,
}

impl<'f> Reader<'f> {
    pub(in crate::config) fn new(file: &'f str) -> Self {
        Self {
            file,
            findings: Vec::new(),
        }
    }

    pub(in crate::config) fn file(&self) -> &'f str {
        self.file
    }

    /// In the order of the file.
    pub(in crate::config) fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|(line, column, _)| (*line, *column));
        self.findings.into_iter().map(|(_, _, finding)| finding).collect()
    }

    /// An error at a line and column, both from 1.
    pub(in crate::config) fn at(
        &mut self,
        line: usize,
        column: usize,
        code: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let subject = format!("{}:{line}:{column}", self.file);
        self.findings.push((
            line,
            column,
            Finding::new(Severity::Error, code, subject, message, remedy),
        ));
    }

    /// An error at a node.
    pub(in crate::config) fn error(
        &mut self,
        at: Marker,
        code: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.at(at.line(), at.col() + 1, code, message, remedy);
    }

    /// A warning at a node.
    pub(in crate::config) fn warning(
        &mut self,
        at: Marker,
        code: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.error(at, code, message, remedy);
        if let Some((_, _, finding)) = self.findings.last_mut() {
            finding.severity = Severity::Warning;
        }
    }
}

/// What a node is, in words a person knows.
pub(in crate::config) fn kind(node: &MarkedYaml<'_>) -> String {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => format!("the text {text:?}"),
        YamlData::Value(Scalar::Integer(number)) => format!("the number {number}"),
        YamlData::Value(Scalar::FloatingPoint(number)) => format!("the number {number}"),
        YamlData::Value(Scalar::Boolean(value)) => format!("{value}"),
        YamlData::Value(Scalar::Null) => "empty".to_owned(),
        YamlData::Sequence(_) => "a list".to_owned(),
        YamlData::Mapping(_) => "a table of keys".to_owned(),
        _ => "something that is neither text, number, list nor table".to_owned(),
    }
}

/// A node's items, where it must be a list.
pub(in crate::config) fn list<'n, 'y>(
    node: &'n MarkedYaml<'y>,
    what: &str,
    reader: &mut Reader<'_>,
) -> &'n [MarkedYaml<'y>] {
    if let YamlData::Sequence(items) = &node.data {
        return items;
    }
    reader.error(
        node.span.start,
        "config-wrong-type",
        format!("{what} must be a list, and is {}", kind(node)),
        format!("Write each of {what} on a line that begins with `- `."),
    );
    &[]
}

/// A mapping whose keys were compared with the known ones.
pub(in crate::config) struct Table<'n, 'y> {
    path: String,
    at: Marker,
    entries: Vec<(&'n str, &'n MarkedYaml<'y>)>,
}

impl<'n, 'y> Table<'n, 'y> {
    /// Reads a mapping; keys that `keys.yaml` does not have and keys that are no text are findings. `path` is the dotted path
    /// shown to people, empty at the top.
    pub(in crate::config) fn read(node: &'n MarkedYaml<'y>, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        Self::read_with(node, path, &[], reader)
    }

    /// The same for a table in which `more` is known, too.
    pub(in crate::config) fn read_with(
        node: &'n MarkedYaml<'y>,
        path: &str,
        more: &[&str],
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let known: Vec<&str> = keys::of(path).into_iter().chain(more.iter().copied()).collect();
        let YamlData::Mapping(map) = &node.data else {
            let what = if path.is_empty() { "a cluster file" } else { path };
            reader.error(
                node.span.start,
                "config-wrong-type",
                format!("{what} must be a table of keys, and is {}", kind(node)),
                format!("Its keys are: {}.", known.join(", ")),
            );
            return None;
        };
        let mut entries = Vec::new();
        for (key, value) in map {
            let YamlData::Value(Scalar::String(name)) = &key.data else {
                reader.error(
                    key.span.start,
                    "config-wrong-type",
                    format!("a key must be text, and this one is {}", kind(key)),
                    "Put it in quotes, or remove it.",
                );
                continue;
            };
            if known.contains(&name.as_ref()) {
                entries.push((name.as_ref(), value));
                continue;
            }
            let place = if path.is_empty() {
                "at the top of the file".to_owned()
            } else {
                format!("in {path}")
            };
            let remedy = match nearest(name, &known) {
                Some(close) => format!("Write `{close}:` instead of `{name}:`."),
                None => format!("Remove it. Known keys here: {}.", known.join(", ")),
            };
            reader.error(
                key.span.start,
                "config-unknown-key",
                format!("unknown key `{name}` {place}"),
                remedy,
            );
        }
        Some(Self {
            path: path.to_owned(),
            at: node.span.start,
            entries,
        })
    }

    /// Where the table begins.
    pub(in crate::config) fn at(&self) -> Marker {
        self.at
    }

    /// A key's node.
    pub(in crate::config) fn get(&self, key: &str) -> Option<&'n MarkedYaml<'y>> {
        self.entries
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, node)| *node)
    }

    /// A key's path for people.
    pub(in crate::config) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Says that a key is missing.
    pub(in crate::config) fn missing(&self, key: &str, reader: &mut Reader<'_>) {
        let place = if self.path.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("to {}", self.path)
        };
        reader.error(
            self.at,
            "config-missing-key",
            format!("`{}` is missing", self.path(key)),
            format!("Add `{key}: …` {place}."),
        );
    }

    /// An optional text.
    pub(in crate::config) fn text(&self, key: &str, reader: &mut Reader<'_>) -> Option<(String, Marker)> {
        let node = self.get(key)?;
        match &node.data {
            YamlData::Value(Scalar::String(text)) if !text.trim().is_empty() => {
                Some((text.clone().into_owned(), node.span.start))
            }
            _ => {
                reader.error(
                    node.span.start,
                    "config-wrong-type",
                    format!("`{}` must be a text, and is {}", self.path(key), kind(node)),
                    format!("Write `{key}: \"…\"`, in quotes."),
                );
                None
            }
        }
    }

    /// A text without which nothing can be done.
    pub(in crate::config) fn required_text(&self, key: &str, reader: &mut Reader<'_>) -> Option<(String, Marker)> {
        if self.get(key).is_none() {
            self.missing(key, reader);
        }
        self.text(key, reader)
    }

    /// An optional whole number within a range.
    pub(in crate::config) fn number(
        &self,
        key: &str,
        range: &RangeInclusive<u32>,
        reader: &mut Reader<'_>,
    ) -> Option<u32> {
        let node = self.get(key)?;
        let remedy = format!("Write a whole number from {} to {}.", range.start(), range.end());
        let YamlData::Value(Scalar::Integer(number)) = &node.data else {
            let message = format!("`{}` must be a whole number, and is {}", self.path(key), kind(node));
            reader.error(node.span.start, "config-wrong-type", message, remedy);
            return None;
        };
        let value = u32::try_from(*number).ok().filter(|value| range.contains(value));
        if value.is_none() {
            let message = format!("`{}` is {number}, outside what can be used", self.path(key));
            reader.error(node.span.start, "config-bad-value", message, remedy);
        }
        value
    }

    /// An optional `true` or `false`.
    pub(in crate::config) fn flag(&self, key: &str, reader: &mut Reader<'_>) -> Option<bool> {
        let node = self.get(key)?;
        if let YamlData::Value(Scalar::Boolean(value)) = &node.data {
            return Some(*value);
        }
        reader.error(
            node.span.start,
            "config-wrong-type",
            format!("`{}` must be true or false, and is {}", self.path(key), kind(node)),
            format!("Write `{key}: true` or `{key}: false`, without quotes."),
        );
        None
    }
}
