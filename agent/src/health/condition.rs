//! One statement about a node that a cluster's nodes carry. Data only; [`super::Fold`] makes it, `publish` and `serve` read it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether the problem that a condition is named for is there: node-problem-detector's polarity, `True` = problem
/// (kubernetes/node-problem-detector at 6632ca67, `pkg/types/types.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Status {
    /// The problem is there.
    True,
    /// Looked for and not found.
    False,
    /// Nobody has been able to look.
    Unknown,
}

impl Status {
    /// As the Kubernetes API spells it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A node condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Condition {
    /// `GPUHardwareProblem`; one of [`super::CONDITIONS`].
    pub(crate) kind: &'static str,
    /// Whether the problem is there.
    pub(crate) status: Status,
    /// One word in CamelCase: the gravest finding's code, or why there is none.
    pub(crate) reason: String,
    /// For people, at most [`Condition::MESSAGE`] bytes.
    pub(crate) message: String,
    /// When the status last changed; moves with nothing else.
    pub(crate) last_transition: Timestamp,
    /// When somebody last looked.
    pub(crate) last_heartbeat: Timestamp,
}

impl Condition {
    /// `NVSentinel` keeps its messages to as much (docs/INTEGRATIONS.md, read 2026-11-21); a node's status stays readable.
    pub(crate) const MESSAGE: usize = 1024;
}
