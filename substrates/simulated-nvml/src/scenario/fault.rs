//! Faults of the library itself: it does not start, calls hang, calls are slow. Part of the schema; read by `state` and by the ABI.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, IntoDeserializer as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::CallName;

/// How `nvmlInit` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitFailure {
    /// The NVML return code, e.g. 9 driver not loaded, 18 library and driver differ.
    pub code: u32,
}

/// A call that does not come back for a while. It comes back early when the scenario no longer names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hang {
    /// `nvmlDeviceGetTemperature`; stands for every version of the call.
    pub call: CallName,
    /// A number, or `forever`.
    pub seconds: HangTime,
}

/// How long a call hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum HangTime {
    /// Seconds.
    For(u64),
    /// Until the scenario changes.
    Always(Forever),
}

impl<'de> Deserialize<'de> for HangTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = HangTime;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number of seconds or `forever`")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<HangTime, E> {
        Ok(HangTime::For(seconds))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<HangTime, E> {
        Forever::deserialize(word.into_deserializer()).map(HangTime::Always)
    }
}

/// The word `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forever {
    /// The word itself.
    #[serde(rename = "forever")]
    Forever,
}

/// How long calls take. The library sleeps for what its own work leaves of the time, and never spins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Every call that is not in `calls`, microseconds.
    #[serde(default)]
    pub microseconds: u32,
    /// These calls, microseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<CallName, u32>,
}

impl Latency {
    /// The longest, of one minute; `hang` is for more.
    pub(super) const LONGEST: u32 = 60_000_000;

    /// What an exported symbol takes, microseconds.
    pub(crate) fn of(&self, symbol: &str) -> u32 {
        self.calls
            .iter()
            .find(|(call, _)| call.is(symbol))
            .map_or(self.microseconds, |(_, microseconds)| *microseconds)
    }
}
