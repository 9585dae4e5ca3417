//! `bedplate status`: the fleet's GPUs as their agents judge them, and what stands in a node's way. Changes nothing.

use super::report::refuse;
use super::{Common, Output, block_on};
use crate::cluster;
use crate::exit::Exit;
use crate::fleet::{self, Fleet};
use bedplate_protocol::{Finding, Health, SecretString, Severity};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use std::path::PathBuf;
use std::time::Duration;

/// `bedplate status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The cluster's kubeconfig, as `bedplate up` has written it.
    #[arg(long, value_name = "FILE", default_value = "kubeconfig")]
    kubeconfig: PathBuf,
    /// Go on, and print again whenever something changes, until Ctrl-C. With JSON, one document a line.
    #[arg(long)]
    watch: bool,
}

/// While nothing changes in the cluster, an agent's silence still grows.
const REFRESH: Duration = Duration::from_secs(30);
/// After an event, so that a burst of them is printed once.
const SETTLE: Duration = Duration::from_millis(300);

/// Runs the verb.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let text = match std::fs::read_to_string(&args.kubeconfig) {
        Ok(text) => SecretString::new(text),
        Err(e) => {
            let finding = Finding::new(
                Severity::Error,
                "kubeconfig-unreadable",
                args.kubeconfig.display().to_string(),
                format!("the kubeconfig cannot be read: {e}"),
                "name it with --kubeconfig FILE; `bedplate up` writes ./kubeconfig",
            );
            return refuse(&[finding], common.output);
        }
    };
    block_on(async {
        tokio::select! {
            exit = look(args, &text, common.output) => exit,
            () = super::interrupt::wait() => Exit::Interrupted,
        }
    })
    .unwrap_or_else(|finding| refuse(&[finding], common.output))
}

async fn look(args: &Args, kubeconfig: &SecretString, output: Output) -> Exit {
    let client = match cluster::client(kubeconfig).await {
        Ok(client) => client,
        Err(e) => return refuse(&[unreachable(&e)], output),
    };
    if args.watch {
        return watch(client, output).await;
    }
    match read(&client).await {
        Ok(fleet) => {
            print(&fleet, output, false);
            exit(&fleet)
        }
        Err(e) => {
            super::report::refuse(&[unreachable(&e)], output);
            Exit::Failed
        }
    }
}

async fn read(client: &Client) -> Result<Fleet, kube::Error> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    Ok(fleet::read(&nodes.items, Timestamp::now()))
}

/// Prints the fleet now, after every change, and every [`REFRESH`]; an API that is away is said once and waited for.
async fn watch(client: Client, output: Output) -> Exit {
    let api = Api::<Node>::all(client.clone());
    let mut shown = String::new();
    let mut away = false;
    loop {
        let version = match api.list(&ListParams::default()).await {
            Ok(nodes) => {
                away = false;
                let fleet = fleet::read(&nodes.items, Timestamp::now());
                // Ages alone are no news.
                let news = serde_json::to_string(&(&fleet.findings, statements(&fleet))).unwrap_or_default();
                if news != shown {
                    print(&fleet, output, true);
                    shown = news;
                }
                nodes.metadata.resource_version.unwrap_or_default()
            }
            Err(e) => {
                if !away {
                    eprintln!("{}", unreachable(&e));
                }
                away = true;
                tokio::time::sleep(Duration::from_secs(2)).await;
                continue;
            }
        };
        // Any event, an expired watch and the refresh all lead to the same: look again.
        if let Ok(events) = api.watch(&WatchParams::default(), &version).await {
            let mut events = std::pin::pin!(events);
            let next = async {
                while let Some(event) = events.next().await {
                    if !matches!(event, Ok(WatchEvent::Bookmark(_))) {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(REFRESH, next).await;
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// What the agents state, without when they did.
fn statements(fleet: &Fleet) -> Vec<serde_json::Value> {
    let nodes = fleet.nodes.iter().map(|node| {
        let silent = matches!(node.agent, fleet::Agent::Silent { .. });
        serde_json::json!([node.name, node.ready, node.cordoned, silent, node.gpus, node.conditions])
    });
    nodes.collect()
}

fn print(fleet: &Fleet, output: Output, again: bool) {
    let text = match output {
        Output::Text if again => format!("{}\n{}", fleet.at, fleet::table(fleet)),
        Output::Text => fleet::table(fleet),
        Output::Json if again => serde_json::to_string(fleet).unwrap_or_default() + "\n",
        Output::Json => serde_json::to_string_pretty(fleet).unwrap_or_default() + "\n",
    };
    // Whoever closed stdout does not want it.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}

fn exit(fleet: &Fleet) -> Exit {
    match fleet.health() {
        Health::Healthy if !fleet.findings.iter().any(Finding::blocks) => Exit::Done,
        Health::Unknown => Exit::Incomplete,
        Health::Healthy | Health::Problem => Exit::Failed,
    }
}

fn unreachable(error: &dyn std::error::Error) -> Finding {
    let mut finding = Finding::new(
        Severity::Error,
        "api-unreachable",
        "cluster",
        format!("the Kubernetes API does not answer: {error}"),
        "look whether the control-plane node is on: ssh to it and `systemctl status kubelet containerd`",
    );
    let mut source = error.source();
    while let Some(cause) = source {
        finding = finding.with_evidence(cause.to_string());
        source = cause.source();
    }
    finding
}
