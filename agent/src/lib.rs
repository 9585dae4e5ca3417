//! bedplate's node agent: facts of a host, a verdict on its GPUs, and plans carried out step by step with a journal.
//!
//! A library only so that the fuzz targets can reach what reads input from outside; the executable is all of it.
//!
//! One executable, started by the installer over SSH (`session`), by systemd (`apply`, and `run`, the daemon) or by a person
//! (`facts`, `check`). Only the daemon speaks with the network, and with its own API server alone; nothing here decides what a
//! host should be.

mod apply;
mod checks;
mod cli;
mod command;
mod daemon;
mod durable;
mod exit;
mod gpu;
mod health;
mod host;
mod journal;
mod nearest;
mod once;
mod pods;
mod publish;
mod serve;
mod session;
mod steps;
mod store;
mod values;
mod xid;

#[cfg(fuzzing)]
pub mod fuzzing;

use std::process::ExitCode;

/// What the executable does with its arguments.
pub fn run() -> ExitCode {
    cli::run()
}
