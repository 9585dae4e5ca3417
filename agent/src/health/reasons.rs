//! The table of reasons: what becomes of each code that a check can give. Made from `reasons.yaml` when the agent is built;
//! `docs/reasons.md` is made from the same. Data and its look-up only.

use super::overrides::Mode;
use serde::{Deserialize, Serialize};

/// What must have been looked at for a judgement to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sense {
    /// What each pass reads of the host.
    Host,
    /// What is read of the host once a minute: disks, units, packages, what is on disk for the next boot.
    WholeHost,
    /// Whether NVML answers.
    Nvml,
    /// The GPUs, by an NVML that answered to the end.
    Gpu,
    /// The kernel's log.
    KernelLog,
}

/// When a finding that held holds no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clear {
    /// After so many good observations in a row.
    Observations(u32),
    /// After a good observation since the driver was loaded again, the GPU was reset, or the node was booted.
    Driver,
    /// After a good observation since the node was booted.
    Reboot,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason {
    /// The finding's code; a `*` at its end stands for any rest.
    pub(crate) code: &'static str,
    /// The condition that it counts towards.
    pub(crate) condition: &'static str,
    /// What must have been looked at for its absence to mean something.
    pub(crate) sense: Sense,
    /// It says "could not be read" and not "is wrong".
    pub(crate) unread: bool,
    /// A warning of it makes the condition `True` too.
    pub(crate) warns: bool,
    /// What becomes of it, unless an operator says otherwise.
    pub(crate) mode: Mode,
    /// After how many observations in a row it holds.
    pub(crate) raise: u32,
    /// When it holds no more.
    pub(crate) clear: Clear,
    /// The page that says what to do: `docs/runbooks/<runbook>.md`.
    pub(crate) runbook: &'static str,
}

/// One type of condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConditionType {
    /// `GPUHardwareProblem`.
    pub(crate) name: &'static str,
    /// What must have been looked at lately for it to be `False`.
    pub(crate) sense: Sense,
    /// The reason while it is `False`.
    pub(crate) fine_reason: &'static str,
    /// The message while it is `False`.
    pub(crate) fine_message: &'static str,
    /// What it says while it is `True`.
    pub(crate) says: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/reasons.rs"));

/// The row of a code: its own, else the longest one with a `*`.
pub(crate) fn reason(code: &str) -> &'static Reason {
    let matching = |row: &&Reason| match row.code.strip_suffix('*') {
        Some(beginning) => code.starts_with(beginning),
        None => row.code == code,
    };
    let exact = REASONS.iter().find(|row| row.code == code && code != "*");
    exact
        .or_else(|| REASONS.iter().filter(matching).max_by_key(|row| row.code.len()))
        // build.rs lets no table through that has no row `*`, which matches everything.
        .unwrap_or(&REASONS[0])
}
