//! Faults of the library itself: it does not start, calls hang, calls are slow. Part of the schema; read by `state` and by the ABI.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "seconds must be a whole number or `forever`")]
pub enum HangTime {
    /// Seconds.
    For(u64),
    /// Until the scenario changes.
    Always(Forever),
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
