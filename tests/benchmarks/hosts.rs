//! Bare machines for the benchmarks: those of a rehearsal, without a `bedplate up`. Called by `tests/benchmarks/run`.
//!
//! `benchmark-hosts up NAME NODE=ADDRESS…` makes and starts them; `benchmark-hosts access NAME` prints one line a machine
//! (name, address, private key file, host key); `benchmark-hosts down NAME` removes them. Never installs anything on them.

use bedplate_substrates::simulated::spec::Gpus;
use bedplate_substrates::simulated::{Hosts, Options, Spec};
use std::net::Ipv4Addr;
use std::process::ExitCode;

const USAGE: &str = "benchmark-hosts up NAME NODE=ADDRESS… | access NAME | down NAME";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["up", name, nodes @ ..] if !nodes.is_empty() => up(name, nodes),
        ["access", name] => access(name),
        ["down", name] => down(name),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("benchmark-hosts: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Each with one GPU, so that these machines are of the kind that a rehearsal makes.
fn up(name: &str, nodes: &[&str]) -> Result<(), String> {
    let nodes: Vec<(String, Ipv4Addr)> = nodes.iter().map(|node| parse(node)).collect::<Result<_, _>>()?;
    let gpu = || Gpus {
        profile: "h100-80gb-hbm3".to_owned(),
        count: 1,
    };
    let spec = Spec {
        gpus: nodes.iter().map(|(node, _)| (node.clone(), gpu())).collect(),
        ..Spec::default()
    };
    let hosts = Hosts::prepare(name, &spec, &nodes, &Options::default()).map_err(|findings| {
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        said.join("\n")
    })?;
    hosts.up(|line| eprintln!("{line}")).map_err(|e| e.to_string())
}

fn parse(node: &str) -> Result<(String, Ipv4Addr), String> {
    let (name, address) = node
        .split_once('=')
        .ok_or_else(|| format!("{node} is not NODE=ADDRESS"))?;
    let address = address.parse().map_err(|e| format!("{node}: {e}"))?;
    Ok((name.to_owned(), address))
}

fn existing(name: &str) -> Result<Option<Hosts>, String> {
    Hosts::existing(name, &Options::default()).map_err(|e| e.to_string())
}

fn access(name: &str) -> Result<(), String> {
    let hosts = existing(name)?.ok_or_else(|| format!("there are no machines under the name {name}"))?;
    for host in hosts.access() {
        let (key, host_key) = (host.key.display(), &host.host_key);
        println!("{} {} {key} {host_key}", host.name, host.address);
    }
    Ok(())
}

fn down(name: &str) -> Result<(), String> {
    existing(name)?.map_or(Ok(()), |hosts| hosts.down().map_err(|e| e.to_string()))
}
