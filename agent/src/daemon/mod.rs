//! The daemon: one process that looks at a host at an interval, keeps what it knows, and tells whoever asks.

mod config;
mod state;

pub(crate) use config::{Config, Kubernetes};
pub(crate) use state::State;
