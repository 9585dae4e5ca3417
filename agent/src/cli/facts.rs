//! The verb `facts`: prints [`NodeFacts`](bedplate_protocol::NodeFacts) as JSON, or what a healthy host has as an expectation
//! of others. Changes nothing.

mod expectation;

use super::check::expect;
use crate::exit::Exit;
use crate::{gpu, host, once};
use bedplate_protocol::{Health, NodeFacts, Severity};
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
    /// Print, as YAML for this node in cluster.yaml, what a host like this one must have. Only on a healthy host
    #[arg(long, conflicts_with = "output")]
    expectation: bool,
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
    /// Give NVML up as unresponsive when one call takes so many seconds; all together may take 3 more for each GPU
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
    if args.expectation {
        return print_expectation(&facts).into();
    }
    match args.output {
        Output::Json => print_json(&facts).map_or(Exit::Output, |()| Exit::Success).into(),
    }
}

/// A host that is not healthy is no pattern for others: its findings instead, on standard error.
fn print_expectation(facts: &NodeFacts) -> Exit {
    let verdict = once::judge(facts, None);
    if verdict.health != Health::Healthy || verdict.gpus.is_empty() {
        let errors = verdict
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        anstream::eprintln!("This host is no pattern for others: its GPUs are not proven healthy, or it has none.");
        errors.for_each(|finding| anstream::eprintln!("{finding}"));
        return if verdict.health == Health::Unknown {
            Exit::Unknown
        } else {
            Exit::Problem
        };
    }
    let expect = expectation::of(facts);
    let text = expectation::yaml(facts, &expect, &expect::written(&expect));
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_or(Exit::Output, |()| Exit::Success)
}

/// Pretty JSON and a line end on standard output.
pub(super) fn print_json<T: serde::Serialize>(value: &T) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}
