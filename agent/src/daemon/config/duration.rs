//! A length of time as people write it in the configuration: `10s`, `2m`, `1h`. Called by [`super::Config`] only.

use bedplate_protocol::period::seconds;
use jiff::SignedDuration;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// Whole seconds, from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period<const LEAST: u64, const MOST: u64>(Duration);

impl<const LEAST: u64, const MOST: u64> Period<LEAST, MOST> {
    /// A default of this program's own.
    pub(super) const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// The length, as the difference of two times has it.
    pub(crate) fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }

    /// The length.
    pub(crate) const fn get(self) -> Duration {
        self.0
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Period<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// Reads the text.
struct Written<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Written<LEAST, MOST> {
    type Value = Period<LEAST, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time like 10s or 2m")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let seconds = seconds(text)
            .ok_or_else(|| E::custom(format!("{text:?} is no length of time; write it like 10s or 2m")))?;
        if (LEAST..=MOST).contains(&seconds) {
            Ok(Period(Duration::from_secs(seconds)))
        } else {
            Err(E::custom(format!("{text} is out of range: {LEAST}s to {MOST}s")))
        }
    }
}
