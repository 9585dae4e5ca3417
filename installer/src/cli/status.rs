//! `bedplate status`: the fleet's GPUs as their agents judge them, and what stands in a node's way. Changes nothing.

mod trouble;

use super::report::{instead, refuse};
use super::{Common, Output, block_on, streams};
use crate::cluster::{self, ClusterError};
use crate::exit::Exit;
use crate::fleet::{self, Fleet};
use bedplate_protocol::{Finding, Health, SecretString};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{ListParams, WatchEvent, WatchParams};
use std::path::{Path, PathBuf};
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

/// How long a list of all nodes may take; one of 5000 nodes takes the API server a few seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs the verb.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let text = match std::fs::read_to_string(&args.kubeconfig) {
        Ok(text) => SecretString::new(text),
        Err(e) => return refuse(&[trouble::unreadable(&args.kubeconfig, &e)], common.output),
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
    let api = match Api::open(&args.kubeconfig, kubeconfig).await {
        Ok(api) => api,
        Err(e) => return refuse(&[trouble::unusable(&args.kubeconfig, &e)], output),
    };
    if args.watch {
        return watch(&api, output).await;
    }
    match api.nodes().await {
        Ok((nodes, _)) => {
            let fleet = fleet::read(&nodes, Timestamp::now());
            print(&fleet, output, false).map_or(Exit::Output, |()| exit(&fleet))
        }
        // Nothing is known of any GPU, which is not that one has a problem.
        Err(finding) => instead(&[finding], output, Exit::Incomplete),
    }
}

/// The nodes of one cluster.
struct Api<'a> {
    nodes: kube::Api<Node>,
    file: &'a Path,
    server: String,
}

impl<'a> Api<'a> {
    async fn open(file: &'a Path, kubeconfig: &SecretString) -> Result<Self, ClusterError> {
        let config = cluster::config(kubeconfig).await?;
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config).map_err(ClusterError::api("open a connection"))?;
        Ok(Self {
            nodes: kube::Api::all(client),
            file,
            server,
        })
    }

    /// All of them, and of which version of the cluster they are.
    async fn nodes(&self) -> Result<(Vec<Node>, String), Finding> {
        let all = ListParams::default();
        let answer = tokio::time::timeout(LIMIT, self.nodes.list(&all)).await;
        let list = answer
            .map_err(|_| trouble::timed_out(&self.server, LIMIT.as_secs()))?
            .map_err(|e| trouble::of(&e, self.file, &self.server))?;
        Ok((list.items, list.metadata.resource_version.unwrap_or_default()))
    }
}

/// Prints the fleet now, after every change, and every [`REFRESH`]; an API that is away is said once and waited for.
async fn watch(api: &Api<'_>, output: Output) -> Exit {
    let mut shown = String::new();
    let mut away = false;
    loop {
        let version = match api.nodes().await {
            Ok((nodes, version)) => {
                away = false;
                let fleet = fleet::read(&nodes, Timestamp::now());
                // Ages alone are no news.
                let news = serde_json::to_string(&(&fleet.findings, statements(&fleet))).unwrap_or_default();
                if news != shown {
                    if print(&fleet, output, true).is_err() {
                        return Exit::Output;
                    }
                    shown = news;
                }
                version
            }
            Err(finding) => {
                if !away {
                    streams::note(&finding.to_string());
                }
                away = true;
                tokio::time::sleep(Duration::from_secs(2)).await;
                continue;
            }
        };
        // Any event, an expired watch and the refresh all lead to the same: look again.
        let next = async {
            let Ok(events) = api.nodes.watch(&WatchParams::default(), &version).await else {
                return;
            };
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                if !matches!(event, Ok(WatchEvent::Bookmark(_))) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(REFRESH, next).await;
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

fn print(fleet: &Fleet, output: Output, again: bool) -> Result<(), std::io::Error> {
    let text = match output {
        Output::Text if again => format!("{}\n{}", fleet.at, fleet::table(fleet)),
        Output::Text => fleet::table(fleet),
        Output::Json if again => serde_json::to_string(fleet).unwrap_or_default() + "\n",
        Output::Json => serde_json::to_string_pretty(fleet).unwrap_or_default() + "\n",
    };
    streams::answer(&text)
}

fn exit(fleet: &Fleet) -> Exit {
    match fleet.health {
        Health::Healthy if !fleet.findings.iter().any(Finding::blocks) => Exit::Done,
        Health::Unknown => Exit::Incomplete,
        Health::Healthy | Health::Problem => Exit::Failed,
    }
}
