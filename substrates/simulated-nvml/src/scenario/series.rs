//! A value that may change with time. Part of the schema; read by `board`.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A value: `60`; or one that moves from one number to another in whole seconds and stays there, `{ramp: [60, 95], seconds: 30}`; or one
/// that jumps, `[[0, 60], [30, 95]]`, each step its second and its value.
///
/// The clock starts when the scenario file was last written, so that every process that has the library open sees the same value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Series<T> {
    /// Always the same.
    Constant(T),
    /// From one number to another.
    Ramp(Ramp<T>),
    /// Seconds, and the value from then on. Before the first step its value holds too.
    Steps(Vec<(u64, T)>),
}

/// From one number to another, in equal parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp<T> {
    /// From, to.
    pub ramp: (T, T),
    /// How long it takes; at least 1.
    pub seconds: u64,
}

/// By what is written there, and not by trying one variant after the other: a mistake in a ramp is told as that.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Series<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written(PhantomData))
    }
}

struct Written<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Written<T> {
    type Value = Series<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number, `{ramp: [from, to], seconds: n}`, or steps `[[second, value], …]`")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Series<T>, E> {
        T::deserialize(number.into_deserializer()).map(Series::Constant)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Series<T>, E> {
        T::deserialize(number.into_deserializer()).map(Series::Constant)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Series<T>, A::Error> {
        Ramp::deserialize(MapAccessDeserializer::new(table)).map(Series::Ramp)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Series<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(Series::Steps)
    }
}

impl<T> From<T> for Series<T> {
    fn from(value: T) -> Self {
        Self::Constant(value)
    }
}

impl<T: Copy + Default + Into<i128> + TryFrom<i128>> Series<T> {
    /// The value this long after the scenario file was written.
    pub fn at(&self, since: Duration) -> T {
        match self {
            Self::Constant(value) => *value,
            Self::Ramp(Ramp {
                ramp: (from, to),
                seconds,
            }) => {
                let whole = Duration::from_secs(*seconds).as_millis();
                let now = since.as_millis().min(whole);
                let (first, last): (i128, i128) = ((*from).into(), (*to).into());
                // Both fit: the difference of two 64-bit numbers times milliseconds that are bounded by `contradiction`.
                let part = i128::try_from(now)
                    .ok()
                    .zip(i128::try_from(whole).ok().filter(|whole| *whole > 0))
                    .and_then(|(now, whole)| (last - first).checked_mul(now).map(|moved| moved / whole));
                part.and_then(|part| T::try_from(first + part).ok()).unwrap_or(*to)
            }
            Self::Steps(steps) => steps
                .iter()
                .rev()
                .find(|(second, _)| since.as_secs() >= *second)
                .or(steps.first())
                .map(|(_, value)| *value)
                .unwrap_or_default(),
        }
    }
}

impl<T> Series<T> {
    /// What makes the series one that never was meant, for a message; `None` when it is sound.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Ramp(ramp) if ramp.seconds == 0 => Some("has a ramp of 0 seconds; write the value it ends with"),
            Self::Ramp(ramp) if ramp.seconds > LONGEST => Some("has a ramp of more than a year; write a shorter one"),
            Self::Steps(steps) if steps.is_empty() => Some("has no steps; write a number or [[second, value], …]"),
            Self::Steps(steps) if steps.windows(2).any(|pair| pair[0].0 >= pair[1].0) => {
                Some("has steps out of order; give each step a later second than the one before it")
            }
            _ => None,
        }
    }
}

/// A year of seconds.
const LONGEST: u64 = 366 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_moves_in_equal_parts_down_as_well_as_up_and_stays_at_its_end() {
        let up: Series<u32> = Series::Ramp(Ramp {
            ramp: (60, 95),
            seconds: 35,
        });
        let down: Series<i32> = Series::Ramp(Ramp {
            ramp: (10, -10),
            seconds: 2,
        });
        let at = |seconds| {
            (
                up.at(Duration::from_secs(seconds)),
                down.at(Duration::from_secs(seconds)),
            )
        };
        assert_eq!(
            [at(0), at(1), at(10), at(100)],
            [(60, 10), (61, 0), (70, -10), (95, -10)]
        );
        let widest: Series<u64> = Series::Ramp(Ramp {
            ramp: (0, u64::MAX),
            seconds: LONGEST,
        });
        assert_eq!(widest.at(Duration::MAX), u64::MAX);
    }

    #[test]
    fn steps_jump_at_their_seconds() {
        let steps: Series<u64> = Series::Steps(vec![(2, 8), (4, 0)]);
        let at = |seconds| steps.at(Duration::from_secs(seconds));
        assert_eq!([at(0), at(2), at(3), at(4), at(9)], [8, 8, 8, 0, 0]);
    }
}
