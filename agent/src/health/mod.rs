//! What findings over time make of a node: conditions, transitions, one recommended action.
//!
//! Pure: no clock, no file, no randomness. Called by [`crate::daemon`].

mod condition;
mod overrides;
mod transition;

pub(crate) use condition::{Condition, Status};
pub(crate) use overrides::{Mode, Override};
pub(crate) use transition::{Change, Transition};
