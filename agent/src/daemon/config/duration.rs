//! A length of time as people write it in the configuration: `10s`, `2m`, `1h`. Called by [`super::Config`] only.

use bedplate_protocol::period::seconds;
use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de::Error};
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
        let text = String::deserialize(deserializer)?;
        let seconds = seconds(&text)
            .ok_or_else(|| Error::custom(format!("{text:?} is no length of time; write it like 10s or 2m")))?;
        if (LEAST..=MOST).contains(&seconds) {
            Ok(Self(Duration::from_secs(seconds)))
        } else {
            Err(Error::custom(format!("{text} is out of range: {LEAST}s to {MOST}s")))
        }
    }
}
