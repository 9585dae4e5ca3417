//! What an operator wants otherwise than the reasons' table has it, for a time. Data and its one rule; read from the
//! configuration, applied by [`super::Fold`].

use jiff::Timestamp;
use serde::Deserialize;

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Nothing: it is not looked at.
    Off,
    /// It is shown and counted, and changes neither a condition nor the verdict.
    Monitor,
    /// It counts.
    On,
}

/// One decision of an operator: whose, why and until when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Override {
    /// The finding's code.
    pub(crate) code: String,
    /// What becomes of it.
    pub(crate) mode: Mode,
    /// Whom to ask.
    pub(crate) owner: String,
    /// Why.
    pub(crate) reason: String,
    /// From then on it is ignored, and that is said.
    pub(crate) expires: Timestamp,
}

impl Override {
    /// Whether it still counts.
    pub(crate) fn holds(&self, at: Timestamp) -> bool {
        at < self.expires
    }
}
