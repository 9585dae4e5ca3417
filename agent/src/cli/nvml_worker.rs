//! The hidden verb `nvml-worker`: the process that owns NVML, started only by the agent itself (see [`crate::gpu`]).

use crate::exit::Exit;
use crate::gpu;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the parent hands over.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The library's path, or its name for the dynamic linker
    #[arg(long)]
    library: PathBuf,
}

/// Answers until its parent closes standard input; a parent that has gone is the only failure.
pub(crate) fn run(args: &Args) -> ExitCode {
    match gpu::serve(&args.library) {
        Ok(()) => Exit::Success.into(),
        Err(_) => Exit::Output.into(),
    }
}
