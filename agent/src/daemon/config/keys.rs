//! Every key that the reader of a type takes, asked of the reader itself: what the documentation has, and where a key belongs that
//! stands in the wrong place, is compared with this and with no list of its own. Pure; called by [`super::words`].

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::cell::Cell;

/// A key with those above it, the outermost first. What is in a list stands as if it were in the list's key.
pub(super) type Key = Vec<&'static str>;

/// All of them, tables before what is in them.
pub(super) fn of<T: DeserializeOwned>() -> Vec<Key> {
    let mut found: Vec<Key> = Vec::new();
    let mut open: Vec<Key> = vec![Vec::new()];
    while let Some(table) = open.pop() {
        let fields = Cell::new(&[][..]);
        let question = Question {
            place: &table,
            fields: &fields,
        };
        // No value is ever made: the answer is which keys it would be made of.
        let _ = T::deserialize(question);
        for field in fields.get() {
            let key: Key = table.iter().copied().chain([*field]).collect();
            open.push(key.clone());
            found.push(key);
        }
    }
    found
}

/// Asks which keys the table at `place` has.
#[derive(Clone, Copy)]
struct Question<'a> {
    place: &'a [&'static str],
    fields: &'a Cell<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Question<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a value, which has no keys"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some((key, place)) = self.place.split_first() else {
            self.fields.set(fields);
            return Err(Error::custom("asked and answered"));
        };
        let below = Question { place, ..self };
        visitor.visit_map(Only { key: Some(key), below })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Only { key: None, below: self })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map enum
        identifier ignored_any
    }
}

/// A table with one key, or a list with one item.
struct Only<'a> {
    key: Option<&'static str>,
    below: Question<'a>,
}

impl<'de> MapAccess<'de> for Only<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let key = self.key.take().map(StrDeserializer::new);
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.below)
    }
}

impl<'de> SeqAccess<'de> for Only<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        seed.deserialize(self.below).map(Some)
    }
}
