//! `bedplate rehearse`: makes the machines of a cluster file on this one, then runs exactly `up` on them.
//!
//! The only file of the installer that knows simulated hosts exist. What `up` is given here is what it is given anywhere: a
//! cluster file and machines that answer SSH.

use super::cluster_file::{self, Artifacts, Key, Loaded};
use super::report::refuse;
use super::up::{bring_up, in_the_way};
use super::{Common, Output, block_on, streams};
use crate::exit::Exit;
use bedplate_protocol::{Finding, Severity};
use bedplate_substrates::simulated::{Hosts, Options, Spec};
use std::path::PathBuf;

/// `bedplate rehearse CLUSTER.yaml`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The cluster file; its `simulated` section says which GPUs each machine has.
    #[arg(value_name = "CLUSTER.yaml")]
    file: PathBuf,
    /// Leave the machines running, and say how to look around. Again on kept machines: the same run on them.
    #[arg(long, conflicts_with_all = ["down", "preflight"])]
    keep: bool,
    /// Remove machines that were kept.
    #[arg(long, conflicts_with = "preflight")]
    down: bool,
    /// Run `preflight` on kept machines instead of `up`.
    #[arg(long)]
    preflight: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let (loaded, files) = cluster_file::read(&args.file, common, Key::Made);
    // What is removed needs nothing.
    let artifacts = files
        .filter(|_| !args.down)
        .map_or(Err(Vec::new()), |files| cluster_file::artifacts(&files));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(mut findings) => {
            findings.extend(artifacts.err().unwrap_or_default());
            return refuse(&findings, common.output);
        }
    };
    let options = Options::default();
    let kept = match Hosts::existing(&loaded.spec.name, &options) {
        // Nothing of it runs: what a killed rehearsal or a restart of this machine has left, kept by nobody.
        Ok(Some(left)) if !args.down && !left.any_running() => {
            streams::note("removing what an earlier rehearsal left");
            if let Err(e) = left.down() {
                return refuse(&[broken(&loaded, &e)], common.output);
            }
            None
        }
        Ok(kept) => kept,
        Err(e) => return refuse(&[broken(&loaded, &e)], common.output),
    };
    match (kept, args) {
        (Some(hosts), Args { down: true, .. }) => remove(hosts, &loaded, common.output, Exit::Done),
        (None, Args { down: true, .. }) => {
            streams::note(&format!("no machines are kept under the name {}", loaded.spec.name));
            Exit::Done
        }
        (
            Some(_),
            Args {
                keep: false,
                preflight: false,
                ..
            },
        ) => refuse(&[kept_already(&loaded, &args.file)], common.output),
        (None, Args { preflight: true, .. }) => refuse(&[none_kept(&loaded, &args.file)], common.output),
        (kept, _) => {
            drop(kept);
            rehearse(args, loaded, artifacts, &options, common.output)
        }
    }
}

fn rehearse(
    args: &Args,
    loaded: Loaded,
    artifacts: Result<Artifacts, Vec<Finding>>,
    options: &Options,
    output: Output,
) -> Exit {
    let section = loaded.spec.sections.get("simulated").map(|section| &section.value);
    let spec = match Spec::read(section) {
        Ok(spec) => spec,
        Err(finding) => return refuse(&[finding], output),
    };
    let nodes: Vec<_> = loaded
        .spec
        .nodes
        .iter()
        .map(|node| (node.name.clone(), node.address))
        .collect();
    // Every mistake before anything is made.
    let prepared = Hosts::prepare(&loaded.spec.name, &spec, &nodes, options);
    let (artifacts, hosts) = match (artifacts, prepared) {
        (Ok(artifacts), Ok(hosts)) => (artifacts, hosts),
        (artifacts, prepared) => {
            let mut findings = artifacts.err().unwrap_or_default();
            findings.extend(prepared.err().unwrap_or_default());
            return refuse(&findings, output);
        }
    };
    if let Some(finding) = in_the_way(&loaded.spec).filter(|_| !args.preflight) {
        return refuse(&[finding], output);
    }
    // Threads begin in the network namespace of the thread that makes them; this one is still alone.
    if let Err(e) = hosts.up(streams::note) {
        let finding = broken(&loaded, &e);
        let refused = refuse(&[finding], output);
        return if args.keep {
            refused
        } else {
            remove(hosts, &loaded, output, refused)
        };
    }
    let machines = hosts.machines();
    let name = loaded.spec.name.clone();
    let ended = if args.preflight {
        block_on(super::preflight::look(&loaded, machines, output))
    } else {
        block_on(bring_up(loaded, &artifacts, machines, output))
    };
    let exit = ended.unwrap_or_else(|finding| refuse(&[finding], output));
    if args.keep || args.preflight {
        if args.keep {
            look_around(&hosts, &name, &args.file);
        }
        return exit;
    }
    match hosts.down() {
        Ok(()) => exit,
        Err(e) => refuse(&[broken_name(&name, &e)], output),
    }
}

fn look_around(hosts: &Hosts, name: &str, file: &std::path::Path) {
    streams::note("\nThe machines go on running. To look around:");
    for line in hosts.lookaround() {
        streams::note(&format!("  {line}"));
    }
    if let Ok(here) = std::env::current_dir() {
        streams::note(&format!(
            "  ip netns exec bedplate-{name} kubectl --kubeconfig {}/kubeconfig get nodes,pods -A -o wide",
            here.display()
        ));
    }
    streams::note(&format!(
        "Run up again on them:  bedplate rehearse --keep {0}\nRemove them:           bedplate rehearse --down {0}",
        file.display()
    ));
}

fn remove(hosts: Hosts, loaded: &Loaded, output: Output, exit: Exit) -> Exit {
    match hosts.down() {
        Ok(()) => exit,
        Err(e) => refuse(&[broken(loaded, &e)], output),
    }
}

fn broken(loaded: &Loaded, error: &dyn std::error::Error) -> Finding {
    broken_name(&loaded.spec.name, error)
}

fn broken_name(name: &str, error: &dyn std::error::Error) -> Finding {
    let mut finding = Finding::new(
        Severity::Error,
        "rehearsal",
        name,
        error.to_string(),
        "bedplate rehearse --down with the same file removes what was made; then try again",
    );
    let mut source = error.source();
    while let Some(cause) = source {
        finding = finding.with_evidence(cause.to_string());
        source = cause.source();
    }
    finding
}

fn kept_already(loaded: &Loaded, file: &std::path::Path) -> Finding {
    Finding::new(
        Severity::Error,
        "rehearsal-kept",
        &loaded.spec.name,
        "machines of this name were kept by an earlier run, and a plain rehearsal would remove them at its end",
        format!(
            "bedplate rehearse --keep {0} (run on them again), or bedplate rehearse --down {0} (remove them)",
            file.display()
        ),
    )
}

fn none_kept(loaded: &Loaded, file: &std::path::Path) -> Finding {
    Finding::new(
        Severity::Error,
        "rehearsal-not-kept",
        &loaded.spec.name,
        "there are no kept machines to look at",
        format!("bedplate rehearse --keep {}", file.display()),
    )
}
