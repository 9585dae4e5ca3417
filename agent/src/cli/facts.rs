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
    /// Give NVML up as unresponsive when one call takes so many seconds; all together may take 3 more for each GPU. A finding names
    /// how long the call had taken by then: at least this, and more where it is another process's call that hangs
    #[arg(long, value_name = "SECONDS", default_value_t = gpu::DEADLINE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    nvml_deadline: u64,
}

impl NvmlArgs {
    /// The pass that these ask for. A library that is not there is told at once: where there is no GPU nobody would load it.
    pub(super) fn pass(&self) -> gpu::Pass {
        if let Some(library) = &self.nvml_library
            && let Err(error) = std::fs::metadata(library)
        {
            // Only to say it earlier; without a standard error there is nobody to say it to.
            let _ = writeln!(
                std::io::stderr(),
                "warning: --nvml-library {}: {error}\n    cure: name the file that is NVIDIA's libnvidia-ml.so.1 (ldconfig -p | grep libnvidia-ml), or leave it out",
                library.display()
            );
        }
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
        anstream::eprintln!("{}", no_pattern(verdict.health));
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

/// Why a host is none, and what to do.
fn no_pattern(health: Health) -> &'static str {
    match health {
        Health::Healthy => {
            "This host is no pattern for others: it has no NVIDIA GPU on its PCI bus.\n    \
             cure: ask a host that has the GPUs you expect; if this one should, see `lspci -d 10de:` and power it off and on"
        }
        Health::Problem => {
            "This host is no pattern for others: it is not healthy.\n    cure: do what each finding below says, then ask again"
        }
        Health::Unknown => {
            "This host is no pattern for others: whether its GPUs are healthy is not known.\n    \
             cure: do what each finding below says, then ask again"
        }
    }
}

/// Pretty JSON and a line end on standard output.
pub(super) fn print_json<T: serde::Serialize>(value: &T) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_no_pattern_says_which_of_the_three_it_is_and_what_to_do() {
        let said = [Health::Healthy, Health::Problem, Health::Unknown].map(no_pattern);
        for (text, word) in said.iter().zip(["no NVIDIA GPU", "not healthy", "not known"]) {
            assert!(text.contains(word) && text.contains("\n    cure: "), "{text}");
        }
    }
}
