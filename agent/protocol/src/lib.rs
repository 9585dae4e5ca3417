//! What travels between bedplate's installer and its node agent: types only.
//!
//! Everything here is plain data that serialises to JSON. No file is read here, no clock, no socket; the exceptions to
//! "types only" are [`frame`], which says how a message lies on a byte stream, and [`period`], which reads a length of time, so that
//! both ends agree by construction.
//! Called by `bedplate-agent`, `bedplate-ssh`, `bedplate-substrates` and `bedplate`.

pub mod artifacts;
pub mod event;
pub mod facts;
pub mod finding;
pub mod frame;
pub mod ids;
pub mod message;
pub mod period;
pub mod plan;
pub mod secret;
pub mod verdict;

pub use event::{Event, EventKind, Outcome, RunStatus};
pub use facts::NodeFacts;
pub use finding::{Finding, Severity};
pub use ids::{Epoch, RunId, Sha256Hex, StepId};
pub use message::{Hello, Request, Response};
pub use plan::{Mode, NodePlan, StepKind, StepSpec};
pub use secret::SecretString;
pub use verdict::{GpuVerdict, Health, RecommendedAction, Verdict};

/// The oldest message format this build understands.
pub const PROTOCOL_MIN: u32 = 1;
/// The newest message format this build speaks.
pub const PROTOCOL_MAX: u32 = 1;
