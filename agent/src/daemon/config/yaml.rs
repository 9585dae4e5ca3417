//! Reads YAML into a typed value and says every mistake of it at once, each with its line. Called by [`super`]'s users.
//!
//! serde stops at the first mistake. So the place of each one is noted, taken out of the document, and the rest is read again,
//! until nothing is wrong with what is left. Decides nothing about meaning.

use bedplate_protocol::{Finding, Severity};
use saphyr::{LoadableYamlNode as _, MarkedYaml, Marker, Scalar, YamlData};
use saphyr_parser::{Event, Parser};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

/// Nobody corrects more than so many at once; a document that has more is not what it should be.
const MOST: usize = 50;
/// Ours are nested four deep; a document without end in depth would end the stack of whoever walks through it.
const DEEPEST: usize = 32;
/// A configuration is a page of text.
const LARGEST: u64 = 1 << 20;

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file itself.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Mistakes in it, in the file's order, at least one.
    #[error("{path} has {} mistake(s)", findings.len())]
    Mistakes {
        /// Which.
        path: String,
        /// What is wrong.
        findings: Vec<Finding>,
    },
}

/// Reads a file; an empty one is a table without keys.
pub(crate) fn read<T: DeserializeOwned>(path: &std::path::Path) -> Result<T, ConfigError> {
    use std::io::Read as _;
    let name = path.display().to_string();
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    match read {
        Ok(_) => parse(&name, &text).map_err(|findings| ConfigError::Mistakes { path: name, findings }),
        Err(source) => Err(ConfigError::Unreadable { path: name, source }),
    }
}

/// The value, or everything that is wrong with the text.
pub(super) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Vec<Finding>> {
    let mistake = |at: Marker, message: String| {
        Finding::new(
            Severity::Error,
            "config-mistake",
            format!("{file}:{}:{}", at.line(), at.col() + 1),
            message,
            "correct the line; docs/agent.md has every key",
        )
    };
    if let Some(at) = too_deep(text) {
        let words = format!("this is nested more than {DEEPEST} deep; no key of ours is");
        return Err(vec![mistake(at, words)]);
    }
    let documents =
        MarkedYaml::load_from_str(text).map_err(|error| vec![mistake(*error.marker(), error.info().to_owned())])?;
    let mut found: Vec<(Marker, String)> = Vec::new();
    if let Some(second) = documents.get(1) {
        found.push((
            second.span.start,
            "a second document begins here; one is read".to_owned(),
        ));
    }
    let (mut value, mut places) = documents.first().map_or_else(Default::default, convert);
    if value.is_null() {
        value = Value::Object(Map::new());
    }
    let mut taken: Vec<String> = Vec::new();
    while found.len() < MOST {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) if found.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(error) => error,
        };
        let place = segments(error.path());
        let words = error.into_inner().to_string();
        // What is missing only because it was wrong and taken out has been said.
        let missing = words.starts_with("missing field `");
        let mut fields = words.split('`').skip(1).step_by(2).filter(|_| missing);
        if !fields.any(|field| taken.contains(&name(&place, Some(field)))) {
            let key = name(&place, None);
            let message = match text_at(&value, &place) {
                _ if key.is_empty() => words,
                Some(text) if !words.contains(text) => format!("{key}: {text:?}: {words}"),
                _ => format!("{key}: {words}"),
            };
            found.push((places.nearest(&place), message));
        }
        taken.push(name(&place, None));
        if !take_out(&mut value, &mut places, &place) {
            break;
        }
    }
    found.sort_by_key(|(at, _)| (at.line(), at.col()));
    Err(found.into_iter().map(|(at, words)| mistake(at, words)).collect())
}

/// Where a document becomes deeper than [`DEEPEST`]. What is no YAML is for the loader to say.
fn too_deep(text: &str) -> Option<Marker> {
    let mut depth = 0_usize;
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Some(span.start);
        }
    }
    None
}

/// Where a value stands and where the values in it do.
#[derive(Debug)]
struct Places {
    at: Marker,
    below: Vec<(String, Places)>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            at: Marker::new(0, 1, 0),
            below: Vec::new(),
        }
    }
}

impl Places {
    /// Where this stands, or the closest thing around it.
    fn nearest(&self, place: &[String]) -> Marker {
        let mut here = self;
        for (depth, piece) in place.iter().enumerate() {
            match here.position(piece) {
                Some(position) => here = &here.below[position].1,
                None => return if depth == 0 { self.at } else { here.at },
            }
        }
        here.at
    }

    fn position(&self, piece: &str) -> Option<usize> {
        // A list's items are found by their number now, which changes as items are taken out.
        match piece.parse::<usize>() {
            Ok(index) if self.below.get(index).is_some_and(|(name, _)| name.is_empty()) => Some(index),
            _ => self.below.iter().position(|(name, _)| name == piece),
        }
    }
}

/// The document as JSON, and where each of its values stands: a key's value where the key does.
fn convert(node: &MarkedYaml<'_>) -> (Value, Places) {
    let mut below = Vec::new();
    let value = match &node.data {
        YamlData::Value(Scalar::Boolean(value)) => Value::Bool(*value),
        YamlData::Value(Scalar::Integer(number)) => Value::from(*number),
        YamlData::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        YamlData::Value(Scalar::String(text)) => Value::String(text.clone().into_owned()),
        YamlData::Sequence(items) => {
            let mut values = Vec::new();
            for item in items {
                let (value, places) = convert(item);
                values.push(value);
                below.push((String::new(), places));
            }
            Value::Array(values)
        }
        YamlData::Mapping(map) => {
            let mut object = Map::new();
            for (key, entry) in map {
                let name = match &key.data {
                    YamlData::Value(Scalar::String(text)) => text.clone().into_owned(),
                    // Told as an unknown key, which it is: every key of ours is text.
                    other => format!("{other:?}"),
                };
                let (value, mut places) = convert(entry);
                places.at = key.span.start;
                object.insert(name.clone(), value);
                below.push((name, places));
            }
            Value::Object(object)
        }
        // Nothing written, or an alias or a tag, which no key of ours takes.
        _ => Value::Null,
    };
    (
        value,
        Places {
            at: node.span.start,
            below,
        },
    )
}

/// A place in pieces; what serde could not name is left out.
fn segments(place: &Path) -> Vec<String> {
    let pieces = place.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    pieces.collect()
}

/// A place as people read it.
fn name(place: &[String], last: Option<&str>) -> String {
    let mut pieces: Vec<&str> = place.iter().map(String::as_str).collect();
    pieces.extend(last);
    pieces.join(".")
}

/// The text that stands there, where it is one.
fn text_at<'v>(value: &'v Value, place: &[String]) -> Option<&'v str> {
    let mut here = value;
    for piece in place {
        here = match here {
            Value::Object(map) => map.get(piece)?,
            Value::Array(items) => items.get(piece.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    here.as_str()
}

/// Takes a key out of its table, an item out of its list; whether there was one.
fn take_out(value: &mut Value, places: &mut Places, place: &[String]) -> bool {
    let Some((first, rest)) = place.split_first() else {
        return false;
    };
    let Some(position) = places.position(first) else {
        return false;
    };
    if !rest.is_empty() {
        let below = match value {
            Value::Object(map) => map.get_mut(first),
            Value::Array(items) => items.get_mut(position),
            _ => None,
        };
        return below.is_some_and(|below| take_out(below, &mut places.below[position].1, rest));
    }
    places.below.remove(position);
    match value {
        Value::Object(map) => map.remove(first).is_some(),
        Value::Array(items) if position < items.len() => {
            items.remove(position);
            true
        }
        _ => false,
    }
}
