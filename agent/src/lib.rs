//! bedplate's node agent: facts of a host, a verdict on its GPUs, and plans carried out step by step with a journal.
//!
//! A library only so that the fuzz targets can reach what reads input from outside; the executable is all of it.
//!
//! One synchronous executable, started by the installer over SSH (`session`), by systemd (`apply`) or by a person
//! (`facts`, `check`). It never opens a network connection of its own and never decides what a host should be.

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
mod once;
mod pods;
mod publish;
mod serve;
mod session;
mod steps;
mod store;
mod values;
#[allow(
    dead_code,
    unused_imports,
    reason = "the daemon and the checks begin to use it with their next changes"
)]
mod xid;

#[cfg(fuzzing)]
pub mod fuzzing;

use std::process::ExitCode;

/// What the executable does with its arguments.
pub fn run() -> ExitCode {
    cli::run()
}
