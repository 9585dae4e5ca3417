//! What findings over time make of a node: conditions, transitions, one recommended action.
//!
//! Pure: no clock, no file, no randomness. The rules are data ([`reasons`]), the fold applies them. Called by
//! [`crate::daemon`].

mod absence;
mod condition;
mod fold;
mod identity;
mod judgement;
mod memory;
mod moment;
mod overrides;
mod past;
mod place;
mod reasons;
mod sight;
mod table;
mod transition;

pub(crate) use condition::{Condition, Status};
pub(crate) use fold::Fold;
pub(crate) use memory::Memory;
pub(crate) use moment::Moment;
pub(crate) use overrides::{Mode, Override};
pub(crate) use reasons::Sense;
pub(crate) use sight::{Era, Sight, is_about};
pub(crate) use table::markdown;
pub(crate) use transition::{Change, Transition};

#[cfg(test)]
mod tests;
