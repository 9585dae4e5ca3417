//! Reads YAML into a typed value and says every mistake of it at once, each with its line. Called by [`super`]'s users.
//!
//! serde stops at the first mistake. So the place of each one is noted, taken out of the document, and the rest is read again,
//! until nothing is wrong with what is left; what that means is judged then. Decides nothing about meaning itself.

use super::keys;
use super::meaning::Mistake;
use super::words;
use bedplate_protocol::{Finding, Severity};
use saphyr::{LoadableYamlNode as _, MarkedYaml, Marker, Scalar, YamlData};
use saphyr_parser::{Event, Parser};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};
use std::cmp::Reverse;

/// Nobody corrects more than so many at once; a document that has more is not what it should be.
const MOST: usize = 50;
/// Ours are nested four deep; a document without end in depth would end the stack of whoever walks through it.
const DEEPEST: usize = 32;
/// The code of a mistake that stops the file from being used.
pub(super) const CODE: &str = "config-mistake";

/// The value and what its author should know, or everything that is wrong with the text. An empty one is a table without keys.
/// `meaning` says what is wrong with a value that could be read.
pub(super) fn parse<T: DeserializeOwned>(
    file: &str,
    text: &str,
    meaning: impl FnOnce(&T) -> Vec<Mistake>,
) -> Result<(T, Vec<Finding>), Vec<Finding>> {
    let finding = |severity, code: &str, at: Marker, message: String, cure: String| {
        let subject = format!("{file}:{}:{}", at.line(), at.col() + 1);
        Finding::new(severity, code, subject, message, cure)
    };
    let mistake = |at, message, cure| finding(Severity::Error, CODE, at, message, cure);
    let plain = |at, message| mistake(at, message, words::CURE.to_owned());
    if let Some(at) = too_deep(text) {
        let words = format!("this is nested more than {DEEPEST} deep; no key of ours is");
        return Err(vec![plain(at, words)]);
    }
    let documents =
        MarkedYaml::load_from_str(text).map_err(|error| vec![plain(*error.marker(), error.info().to_owned())])?;
    let mut found: Vec<(Marker, Finding)> = Vec::new();
    if let Some(second) = documents.get(1) {
        let words = "a second document begins here; one is read".to_owned();
        found.push((second.span.start, plain(second.span.start, words)));
    }
    let (mut value, mut places) = documents.first().map_or_else(Default::default, convert);
    if value.is_null() {
        value = Value::Object(Map::new());
    }
    let keys = keys::of::<T>();
    let mut taken: Vec<String> = Vec::new();
    let mut read = None;
    while found.len() < MOST {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(whole) => {
                read = Some(whole);
                break;
            }
            Err(error) => error,
        };
        let place = segments(error.path());
        let words = error.into_inner().to_string();
        // What is missing only because it was wrong and taken out has been said.
        let missing = words.starts_with("missing field `");
        let mut fields = words.split('`').skip(1).step_by(2).filter(|_| missing);
        if !fields.any(|field| taken.contains(&name(&place, Some(field)))) {
            let at = places.nearest(&place);
            let (message, cure) = words::told(&place, &words, value_at(&value, &place), &keys);
            found.push((at, mistake(at, message, cure)));
        }
        taken.push(name(&place, None));
        if !take_out(&mut value, &mut places, &place) {
            break;
        }
    }
    let mut meant = read.as_ref().map(meaning).unwrap_or_default();
    // Those that stop it first, for what is told is bounded.
    meant.sort_by_key(|it| Reverse(it.severity));
    for it in meant {
        if found.len() >= MOST {
            break;
        }
        let told = |table: &&str| taken.iter().any(|key| key.split('.').next() == Some(*table));
        // What is not written is no mistake of this file.
        if places.has(&it.place) && !it.from.iter().any(told) {
            let at = places.nearest(&it.place);
            found.push((at, finding(it.severity, &it.code, at, it.message, it.cure)));
        }
    }
    found.sort_by_key(|(at, _)| (at.line(), at.col()));
    let findings: Vec<Finding> = found.into_iter().map(|(_, finding)| finding).collect();
    match read {
        Some(read) if findings.iter().all(|finding| finding.severity != Severity::Error) => Ok((read, findings)),
        _ => Err(findings),
    }
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

    /// Whether there is something at this place.
    fn has(&self, place: &[String]) -> bool {
        match place.split_first() {
            None => true,
            Some((first, rest)) => self
                .position(first)
                .is_some_and(|position| self.below[position].1.has(rest)),
        }
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

/// What stands there.
fn value_at<'v>(value: &'v Value, place: &[String]) -> Option<&'v Value> {
    let mut here = value;
    for piece in place {
        here = match here {
            Value::Object(map) => map.get(piece)?,
            Value::Array(items) => items.get(piece.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(here)
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
