//! The command line: one file a verb, each with its `Args` and its `run`.
//!
//! Called by `main` only. A verb parses, calls the library part that does the work, prints and chooses the exit code; it
//! decides nothing about a host itself.

mod apply;
mod check;
mod facts;
mod nvml_worker;
mod run;
mod session;

use crate::exit::Exit;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// bedplate's node agent: reads what a host is, judges its GPUs, and carries out plans with a journal.
#[derive(Debug, Parser)]
#[command(name = "bedplate-agent", version, after_help = EXIT_CODES)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done or healthy, 1 problem or failed, 2 unknown (check only), \
64 wrong command line, 74 the answer could not be written, 78 wrong configuration (run)";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print what is there on this host. Changes nothing.
    Facts(facts::Args),
    /// Judge this host's GPUs. Changes nothing.
    Check(check::Args),
    /// Judge this host's GPUs again and again, and tell whoever asks (what the unit bedplate-agent runs).
    Run(run::Args),
    /// Carry out a stored plan (what the unit bedplate-apply@RUN runs).
    Apply(apply::Args),
    /// Speak with an installer over standard input and output.
    Session(session::Args),
    /// Own the NVML library for a parent that has a deadline.
    #[command(hide = true)]
    NvmlWorker(nvml_worker::Args),
}

/// Parses the process's arguments and runs the verb.
pub(crate) fn run() -> ExitCode {
    // The daemon and its process that owns NVML live as long as the host is up, and are started with command lines of one form: they
    // need none of what parses others, which would stay in their memory.
    if let Some(args) = nvml_worker::Args::given(std::env::args_os()) {
        return nvml_worker::run(&args);
    }
    if let Some(args) = run::Args::given(std::env::args_os()) {
        return run::run(&args);
    }
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help and version are answers, not mistakes; clap tells them apart by the stream it wants.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            return match error.print() {
                Ok(()) => exit.into(),
                Err(_) => Exit::Output.into(),
            };
        }
    };
    match command_line.verb {
        Verb::Facts(args) => facts::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Apply(args) => apply::run(args),
        Verb::Session(args) => session::run(args),
        Verb::NvmlWorker(args) => nvml_worker::run(&args),
    }
}
