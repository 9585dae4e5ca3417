//! The verb `check`: judges the host's GPUs once, for people (`text`) and programs (`json`). Changes nothing.
//!
//! The text's first line has at most [`FIRST_LINE`] bytes and stands alone, and the exit codes are those of
//! node-problem-detector's plugins, so the command is one.

mod catalogue;
pub(super) mod expect;

use super::facts::{NvmlArgs, print_json};
use crate::exit::Exit;
use crate::once;
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{Health, Severity, Verdict};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// How much node-problem-detector keeps of a plugin's message unless told otherwise (`defaultMaxOutputLength`, at 01a6793b,
/// `pkg/custompluginmonitor/types/config.go`).
const FIRST_LINE: usize = 80;

/// What a person may say.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What must be there, for example gpus=8,model=H100; --help lists the keys
    #[arg(long, value_name = "KEY=VALUE,…", value_parser = expect::parse, long_help = expect::HELP)]
    expect: Option<Expectation>,
    /// Print which XIDs of NVIDIA's driver this program can explain, by which source, and judge nothing
    #[arg(long)]
    catalogue: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    nvml: NvmlArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Reads, judges and prints.
pub(crate) fn run(args: &Args) -> ExitCode {
    if args.catalogue {
        return catalogue::run(args.output);
    }
    let verdict = once::look(&args.nvml.pass(), args.expect.as_ref());
    let printed = match args.output {
        Output::Json => print_json(&verdict),
        Output::Text => std::io::stdout().write_all(text(&verdict).as_bytes()),
    };
    printed.map_or(Exit::Output, |()| Exit::from(verdict.health)).into()
}

/// The verdict for people.
fn text(verdict: &Verdict) -> String {
    let mut text = first_line(verdict);
    for gpu in &verdict.gpus {
        let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\nGPU {}  {}  {}  {}  {}",
            gpu.index,
            word(gpu.health),
            known(&gpu.pci_address),
            known(&gpu.uuid),
            known(&gpu.name)
        );
    }
    for finding in &verdict.findings {
        let _ = write!(text, "\n{finding}");
    }
    text.push('\n');
    text
}

/// Health, how many GPUs, and the codes of what is wrong, as many as fit.
fn first_line(verdict: &Verdict) -> String {
    let healthy = verdict.gpus.iter().filter(|gpu| gpu.health == Health::Healthy).count();
    let mut line = match (verdict.health, verdict.gpus.len()) {
        (Health::Healthy, 0) => "healthy: no GPU here and none expected".to_owned(),
        (health, 0) => format!("{}: no GPU read", word(health)),
        (health, all) => format!("{}: {healthy} of {all} GPU(s) healthy", word(health)),
    };
    let mut codes: Vec<&str> = Vec::new();
    for finding in verdict
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
    {
        if !codes.contains(&finding.code.as_str()) {
            codes.push(&finding.code);
        }
    }
    for (place, code) in codes.iter().enumerate() {
        let left = codes.len() - place - 1;
        let next = format!("; {code}");
        let rest = if left == 0 {
            0
        } else {
            format!("; and {left} more").len()
        };
        if line.len() + next.len() + rest > FIRST_LINE {
            let _ = write!(line, "; and {} more", left + 1);
            break;
        }
        line.push_str(&next);
    }
    line
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unknown => "unknown",
        Health::Problem => "problem",
    }
}

#[cfg(test)]
mod tests;
