//! Sections that only a substrate understands: kept as they are, with their line. Called by the room's `mod`.

use super::reader::{Reader, kind};
use saphyr::{MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};

/// A section that this room does not interpret.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The line of its value, from 1.
    pub line: usize,
    /// What it says.
    pub value: Value,
}

pub(in crate::config) fn read(node: &MarkedYaml<'_>, name: &str, reader: &mut Reader<'_>) -> Section {
    Section {
        line: node.span.start.line(),
        value: value(node, name, reader),
    }
}

fn value(node: &MarkedYaml<'_>, name: &str, reader: &mut Reader<'_>) -> Value {
    match &node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(value)) => Value::Bool(*value),
        YamlData::Value(Scalar::Integer(number)) => Value::from(*number),
        YamlData::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        YamlData::Value(Scalar::String(text)) => Value::String(text.clone().into_owned()),
        YamlData::Sequence(items) => Value::Array(items.iter().map(|item| value(item, name, reader)).collect()),
        YamlData::Mapping(map) => {
            let mut object = Map::new();
            for (key, entry) in map {
                if let YamlData::Value(Scalar::String(text)) = &key.data {
                    object.insert(text.clone().into_owned(), value(entry, name, reader));
                } else {
                    reader.error(
                        key.span.start,
                        "config-wrong-type",
                        format!("a key in {name} must be text, and this one is {}", kind(key)),
                        "Put it in quotes.",
                    );
                }
            }
            Value::Object(object)
        }
        _ => {
            reader.error(
                node.span.start,
                "config-wrong-type",
                format!("{name} holds {}", kind(node)),
                "Write the value itself, without tag or alias.",
            );
            Value::Null
        }
    }
}
