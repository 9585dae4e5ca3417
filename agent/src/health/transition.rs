//! A finding that began or stopped to hold. Data only; [`super::Fold`] makes it, `publish` makes Events of it.

use super::Condition;
use bedplate_protocol::{RecommendedAction, Severity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened to a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// It holds from now on.
    Raised,
    /// It holds no more.
    Cleared,
}

/// One change of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transition {
    /// Counts up by one, over restarts too: a reader that remembers the last one it saw misses none and repeats none, as
    /// long as it looks before [`Transition::KEPT`] more have happened.
    pub(crate) sequence: u64,
    /// When.
    pub(crate) at: Timestamp,
    /// What happened.
    pub(crate) change: Change,
    /// The finding's code.
    pub(crate) code: String,
    /// What the finding is about.
    pub(crate) subject: String,
    /// How much it weighs.
    pub(crate) severity: Severity,
    /// The condition that it counts towards.
    pub(crate) condition: String,
    /// Raised: what is wrong. Cleared: on which evidence.
    pub(crate) message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<RecommendedAction>,
}

impl Transition {
    /// How many a state carries, the newest.
    pub(crate) const KEPT: usize = 64;

    /// Its reason in an Event: `GpuLost`, `GpuLostCleared`.
    pub(crate) fn reason(&self) -> String {
        let name = camel_case(&self.code);
        match self.change {
            Change::Raised => name,
            Change::Cleared => format!("{name}Cleared"),
        }
    }
}

/// `gpu-lost` as the API's machine-readable reasons are written: `GpuLost`.
pub(crate) fn camel_case(code: &str) -> String {
    code.split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + rest
        })
        .collect()
}

/// A text cut to `limit` bytes at a character's border, with a sign that something is missing.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit.saturating_sub("…".len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or_default();
    format!("{}…", &text[..end])
}

const _: () = assert!(Condition::MESSAGE > "…".len());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_reasons_that_the_api_accepts() {
        assert_eq!(camel_case("gpu-lost"), "GpuLost");
        assert_eq!(camel_case("recovery-drain-p2p"), "RecoveryDrainP2p");
        assert_eq!(camel_case("xid-79"), "Xid79");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äöüäöü", 8), "äö…");
        assert!(cut(&"ü".repeat(2000), Condition::MESSAGE).len() <= Condition::MESSAGE);
    }
}
