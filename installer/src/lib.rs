//! The rooms of bedplate's installer, as a library so that each can be tested alone.
//!
//! They stand on a staircase: a room may name the types of the rooms above it in this list, never those below, and rooms
//! do not call each other; the verbs in `cli/` do. `config`, `preflight`, `plan` and `fleet` are pure: no client, no clock, no
//! randomness, no async.

pub mod capabilities;
pub mod cli;
pub mod cluster;
pub mod codes;
pub mod config;
pub mod execute;
pub mod exit;
pub mod fleet;
pub mod plan;
pub mod preflight;
pub mod progress;
