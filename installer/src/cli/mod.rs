//! The command line: one file a verb. A verb reads as the staircase of rooms; it decides nothing that a room decides.

mod cluster_file;
mod interrupt;
mod preflight;
mod rehearse;
mod report;
mod status;
mod streams;
mod up;

use crate::exit::{self, Exit};
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Turns bare GPU machines into ground an LLM inference platform can stand on.
#[derive(Debug, Parser)]
#[command(name = "bedplate", version, after_help = exit::CODES)]
struct CommandLine {
    /// What goes to stdout: a table for people or one JSON document.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// The agent that is put on hosts; the one beside this program by default.
    #[arg(long, global = true, value_name = "FILE")]
    agent: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

/// The form of what goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take the machines of a cluster file from bare to a Ready Kubernetes cluster that shares proven GPUs.
    #[command(after_help = exit::OF_UP)]
    Up(up::Args),
    /// Read facts from every machine and judge them. Changes nothing.
    #[command(after_help = exit::OF_PREFLIGHT)]
    Preflight(preflight::Args),
    /// Show the GPUs of a cluster as their agents judge them, and what stands in a node's way. Changes nothing.
    #[command(after_help = exit::OF_STATUS)]
    Status(status::Args),
    /// Make the machines of a cluster file on this one, out of namespaces, and run `up` on them.
    #[command(after_help = exit::OF_UP)]
    Rehearse(rehearse::Args),
}

/// What all verbs share.
pub(crate) struct Common {
    /// What goes to stdout.
    pub(crate) output: Output,
    /// The agent to put on hosts.
    pub(crate) agent: Option<PathBuf>,
}

/// Parses this process's arguments and runs the verb.
pub fn run() -> Exit {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version are answers, not mistakes; clap tells them apart by the stream it wants.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return error.print().map_or(Exit::Output, |()| exit);
        }
    };
    let common = Common {
        output: line.output,
        agent: line.agent,
    };
    match line.verb {
        Verb::Up(args) => up::run(&args, &common),
        Verb::Preflight(args) => preflight::run(&args, &common),
        Verb::Status(args) => status::run(&args, &common),
        Verb::Rehearse(args) => rehearse::run(&args, &common),
    }
}

/// Runs a verb's asynchronous part. Made late, so that `rehearse` can move the only thread into a network namespace first.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, bedplate_protocol::Finding> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            bedplate_protocol::Finding::new(
                bedplate_protocol::Severity::Error,
                "no-threads",
                "this machine",
                format!("no threads can be started: {e}"),
                "raise `ulimit -u` and `ulimit -n`",
            )
        })?;
    Ok(runtime.block_on(work))
}
