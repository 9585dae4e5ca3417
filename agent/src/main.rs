//! bedplate's node agent: facts of a host, a verdict on its GPUs, and plans carried out step by step with a journal.
//!
//! One synchronous executable, started by the installer over SSH (`session`), by systemd (`apply`) or by a person
//! (`facts`, `check`). It never opens a network connection of its own and never decides what a host should be.

mod apply;
mod checks;
mod cli;
mod command;
#[allow(dead_code, unused_imports, reason = "the verb `run` comes with the next change")]
mod daemon;
mod durable;
mod exit;
mod gpu;
#[allow(dead_code, unused_imports, reason = "the verb `run` comes with the next change")]
mod health;
mod host;
mod journal;
#[allow(dead_code, reason = "the verb `run` starts it with the next change")]
mod publish;
mod session;
mod steps;
mod store;
mod values;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
