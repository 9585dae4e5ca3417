//! What the agent costs as a daemon, beside the bare NVML calls and beside Debian's `prometheus-node-exporter`. Called by
//! `tests/benchmarks/agent`, which builds everything and makes the mount namespace that this runs in.
//!
//! `benchmark-agent EXPORTER [--long MINUTES]`: everything, or only memory over a longer time. A number over its goal is printed as
//! such and is not an error.

mod flood;
mod long;
mod machine;
mod peers;
mod process;
mod steady;

use bedplate_tests::agents_cluster::agents_cluster;
use machine::Machine;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Before a process is measured, so that it is not its beginning that is measured.
const SETTLE: Duration = Duration::from_secs(65);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [exporter] => everything(Path::new(exporter)),
        [_, "--long", minutes] => match minutes.parse() {
            Ok(minutes) if minutes > 2 => long::run(minutes),
            _ => Err(format!("--long {minutes}: a number of minutes above two")),
        },
        _ => Err("benchmark-agent EXPORTER [--long MINUTES]".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("benchmark-agent: {why}");
            ExitCode::FAILURE
        }
    }
}

fn everything(exporter: &Path) -> Result<(), String> {
    let machine = Machine::new()?;
    alone(&machine)?;
    let cluster = agents_cluster();
    let agent = machine.agent(Some(&cluster))?;
    steady::run(&machine, &agent, exporter)?;
    flood::run(&machine, &agent, &cluster)
}

/// The agent without Kubernetes.
fn alone(machine: &Machine) -> Result<(), String> {
    let agent = machine.agent(None)?;
    std::thread::sleep(SETTLE);
    row_memory("Pss without Kubernetes", &agent, 10.0)
}

/// Prints the memory of agent and worker together against a goal in MiB, and of what it consists.
fn row_memory(what: &str, agent: &machine::Agent, goal: f64) -> Result<(), String> {
    let (parent, worker) = (agent.process(), agent.worker()?);
    let (of_parent, of_worker) = (parent.pss()?, worker.pss()?);
    let library = worker.pss_of("libnvidia-ml")?;
    let all = mib(of_parent + of_worker);
    println!(
        "{what:<44} {all:>7.1} MiB   {} (agent {:.1}, worker {:.1}, of which the simulated library {:.1})",
        judged(all, goal, "MiB"),
        mib(of_parent),
        mib(of_worker),
        mib(library)
    );
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "kibibytes of one process")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// `goal 10 MiB`, and whether it was missed.
fn judged(value: f64, goal: f64, unit: &str) -> String {
    let over = if value > goal { ", over it" } else { "" };
    format!("goal {goal} {unit}{over}")
}
