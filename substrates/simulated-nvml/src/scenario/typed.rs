//! A tree of values as the types of the schema, by serde. Called by [`super::Scenario::parse`].
//!
//! What a text means is asked by its type: `13.0` is text where text is wanted, and a number is one only without quotes.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::{At, Node, Value};

/// What is wrong with a document, and where.
#[derive(Debug)]
pub(super) struct Mistake {
    /// None until the value is known that serde speaks of.
    pub(super) at: Option<At>,
    pub(super) words: String,
}

impl Mistake {
    pub(super) fn at(at: At, words: &str) -> Self {
        Self {
            at: Some(at),
            words: words.to_owned(),
        }
    }

    /// The innermost value keeps its place.
    fn or_at(mut self, at: At) -> Self {
        self.at = self.at.or(Some(at));
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.words)
    }
}

impl std::error::Error for Mistake {}

impl Error for Mistake {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self {
            at: None,
            words: words.to_string(),
        }
    }
}

/// The value of a document.
pub(super) fn read<'de, T: Deserialize<'de>>(document: &'de Node<'de>) -> Result<T, Mistake> {
    T::deserialize(document).map_err(|mistake| mistake.or_at(document.at))
}

/// What a text without quotes is (YAML 1.2.2, 10.3.2, without the numbers that are not whole: the schema has none).
enum Plain<'t> {
    Nothing,
    Truth(bool),
    Whole(u64),
    Negative(i64),
    Text(&'t str),
}

impl<'t> Plain<'t> {
    fn of(text: &'t str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Nothing,
            "true" | "True" | "TRUE" => return Self::Truth(true),
            "false" | "False" | "FALSE" => return Self::Truth(false),
            _ => {}
        }
        let whole = match text.get(..2) {
            Some("0x") => u64::from_str_radix(&text[2..], 16),
            Some("0o") => u64::from_str_radix(&text[2..], 8),
            _ => text.parse(),
        };
        match (whole, text.parse()) {
            (Ok(number), _) => Self::Whole(number),
            (_, Ok(number)) => Self::Negative(number),
            _ => Self::Text(text),
        }
    }
}

impl<'de> Node<'de> {
    fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Plain(text) if matches!(Plain::of(text), Plain::Nothing))
    }

    /// For a type that is written as text, and no code for any other way to write it.
    fn as_text<V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Mistake> {
        match self.text().filter(|_| !self.is_nothing()) {
            Some(text) => visitor.visit_str(text),
            None => self.unlike(&visitor),
        }
    }

    /// The same for a list.
    fn as_list<V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Mistake> {
        let Value::List(items) = &self.value else {
            return self.unlike(&visitor);
        };
        let mut rest = Items(items);
        let value = visitor.visit_seq(&mut rest)?;
        match rest.0.first() {
            None => Ok(value),
            Some(more) => Err(Mistake::at(more.at, "this is one too many for the list; take it away")),
        }
    }

    /// The same for a table.
    fn as_table<V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Table(rest) => visitor.visit_map(Entries { rest, value: None }),
            _ => self.unlike(&visitor),
        }
    }

    /// That a value is not of the kind that its type wants.
    fn unlike<T>(&self, wanted: &dyn Expected) -> Result<T, Mistake> {
        let found = match &self.value {
            Value::List(_) => Unexpected::Other("a list"),
            Value::Table(_) => Unexpected::Other("a table"),
            Value::Quoted(text) => Unexpected::Str(text),
            Value::Plain(text) => match Plain::of(text) {
                Plain::Nothing => Unexpected::Other("nothing"),
                Plain::Truth(truth) => Unexpected::Bool(truth),
                Plain::Whole(number) => Unexpected::Unsigned(number),
                Plain::Negative(number) => Unexpected::Signed(number),
                Plain::Text(text) => Unexpected::Str(text),
            },
        };
        Err(Mistake::invalid_type(found, wanted))
    }
}

impl<'de> Deserializer<'de> for &'de Node<'de> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::List(_) => self.as_list(visitor),
            Value::Table(_) => self.as_table(visitor),
            Value::Quoted(text) => visitor.visit_str(text),
            Value::Plain(text) => match Plain::of(text) {
                Plain::Nothing => self.unlike(&visitor),
                Plain::Truth(truth) => visitor.visit_bool(truth),
                Plain::Whole(number) => visitor.visit_u64(number),
                Plain::Negative(number) => visitor.visit_i64(number),
                Plain::Text(text) => visitor.visit_str(text),
            },
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.as_text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.as_text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.as_text(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.as_list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.as_list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.as_table(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.as_table(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.is_nothing() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.text() {
            Some(text) => {
                let variant: StrDeserializer<'_, Mistake> = text.into_deserializer();
                visitor.visit_enum(variant)
            }
            None => self.unlike(&visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple_struct ignored_any
    }
}

/// The items of a list that nobody has asked for yet.
struct Items<'de>(&'de [Node<'de>]);

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some((item, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        self.0 = rest;
        of_value(item, seed).map(Some)
    }
}

/// The entries of a table that nobody has asked for yet, and the value of the key that was asked for last.
struct Entries<'de> {
    rest: &'de [(Node<'de>, Node<'de>)],
    value: Option<&'de Node<'de>>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some(((key, value), rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        (self.rest, self.value) = (rest, Some(value));
        of_value(key, seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        match self.value.take() {
            Some(value) => of_value(value, seed),
            None => Err(Mistake::custom("a value was asked for before its key")),
        }
    }
}

fn of_value<'de, S: DeserializeSeed<'de>>(node: &'de Node<'de>, seed: S) -> Result<S::Value, Mistake> {
    seed.deserialize(node).map_err(|mistake| mistake.or_at(node.at))
}
