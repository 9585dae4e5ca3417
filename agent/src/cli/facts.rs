//! The verb `facts`: prints [`NodeFacts`](bedplate_protocol::NodeFacts) as JSON. Judges nothing, changes nothing.

use crate::exit::Exit;
use crate::{gpu, host};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What a person may say.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Output::Json)]
    output: Output,
    #[command(flatten)]
    nvml: NvmlArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Json,
}

/// How NVML is read; the same for `facts` and `check`.
#[derive(Debug, clap::Args)]
pub(super) struct NvmlArgs {
    /// Load NVML from this file instead of the usual directories
    #[arg(long, value_name = "PATH")]
    nvml_library: Option<PathBuf>,
    /// Give NVML up as unresponsive after this many seconds; 2 as a plugin of node-problem-detector, which ends it after 5
    #[arg(long, value_name = "SECONDS", default_value_t = gpu::DEADLINE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    nvml_deadline: u64,
}

impl NvmlArgs {
    /// The pass that these ask for.
    pub(super) fn pass(&self) -> gpu::Pass {
        gpu::Pass {
            library: self.nvml_library.clone(),
            deadline: Duration::from_secs(self.nvml_deadline),
        }
    }
}

/// Reads and prints.
pub(crate) fn run(args: &Args) -> ExitCode {
    let facts = host::read_facts_with(Path::new("/"), &args.nvml.pass());
    match args.output {
        Output::Json => print_json(&facts).map_or(Exit::Output, |()| Exit::Success).into(),
    }
}

/// Pretty JSON and a line end on standard output.
pub(super) fn print_json<T: serde::Serialize>(value: &T) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}
