//! The daemon's configuration file, `/etc/bedplate/agent.yaml`. Called by the verb `run`.
//!
//! Says what a person may write and what stands in for what they do not; [`yaml`] reads it and says every mistake at once,
//! [`meaning`] says what cannot be meant.

mod duration;
mod file;
mod keys;
mod meaning;
#[cfg(any(test, fuzzing))]
pub(crate) mod property;
mod words;
mod yaml;

use crate::health::Override;
use bedplate_protocol::Finding;
use bedplate_protocol::message::Expectation;
pub(crate) use duration::Period;
pub(crate) use file::ConfigError;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `/etc/bedplate/agent.yaml`. Every key may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The node's name in its cluster; the kernel's host name unless told otherwise.
    pub(crate) node_name: Option<String>,
    /// Between the beginnings of two passes.
    pub(crate) interval: Period<1, 3600>,
    /// How NVML is read.
    pub(crate) nvml: Nvml,
    /// The kernel's log.
    pub(crate) kernel_log: PathBuf,
    /// Where conditions, counters and transition times survive a restart.
    pub(crate) state_directory: PathBuf,
    /// What must be there.
    pub(crate) expect: Option<Expectation>,
    /// What the operator wants otherwise than the reasons' table has it, by a finding's code.
    pub(crate) checks: Vec<Override>,
    /// Where `/metrics`, `/livez`, `/readyz` and `/v1/state` are.
    pub(crate) listen: SocketAddr,
    /// Who may read them.
    pub(crate) serve: Serve,
    /// The cluster that the node's health is written to; nothing is written without it.
    pub(crate) kubernetes: Option<Kubernetes>,
}

impl Config {
    /// Where an installation keeps it.
    pub(crate) const PATH: &'static str = "/etc/bedplate/agent.yaml";
    /// Beside dcgm-exporter's 9400 and `node_exporter`'s 9100, in the range that Prometheus exporters take their ports from.
    const PORT: u16 = 9479;

    /// Everything that is wrong with the file and with what it names on this host now; what only deserves a warning if nothing is.
    pub(crate) fn check(path: &Path) -> Result<Vec<Finding>, ConfigError> {
        let judge = |config: &Self| {
            let mut mistakes = meaning::of_settings(config);
            mistakes.extend(meaning::of_files(config));
            mistakes
        };
        let (_, warnings) = parsed(path, judge)?;
        Ok(warnings)
    }
}

/// The configuration in a file, and what its author should know. Says nothing of the files that it names: they may come and go.
pub(crate) fn read(path: &Path) -> Result<(Config, Vec<Finding>), ConfigError> {
    parsed(path, meaning::of_settings)
}

fn parsed(
    path: &Path,
    judge: impl FnOnce(&Config) -> Vec<meaning::Mistake>,
) -> Result<(Config, Vec<Finding>), ConfigError> {
    let (name, text) = file::text_of(path)?;
    yaml::parse(&name, &text, judge).map_err(|findings| ConfigError::Mistakes { path: name, findings })
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_name: None,
            interval: Period::new(Duration::from_secs(10)),
            nvml: Nvml::default(),
            kernel_log: PathBuf::from("/dev/kmsg"),
            state_directory: Path::new("/var/lib/bedplate").join("agent"),
            expect: None,
            checks: Vec::new(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Self::PORT),
            serve: Serve::default(),
            kubernetes: None,
        }
    }
}

/// How NVML is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Nvml {
    /// The library, where the usual directories are not right.
    pub(crate) library: Option<PathBuf>,
    /// How long a call may take before NVML counts as unresponsive.
    pub(crate) deadline: Period<1, 3600>,
}

impl Default for Nvml {
    fn default() -> Self {
        Self {
            library: None,
            deadline: Period::new(crate::gpu::DEADLINE),
        }
    }
}

/// Who may read over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Serve {
    /// Without it HTTP is spoken, which is refused on an address that is not loopback.
    pub(crate) tls: Option<Tls>,
    /// A file with the bearer token that a reader must show.
    pub(crate) token_file: Option<PathBuf>,
    /// The kubelet's pod-resources socket, where kubelet's root directory is not the usual one.
    pub(crate) pod_resources_socket: Option<PathBuf>,
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tls {
    /// The chain, the server's own certificate first.
    pub(crate) certificate_file: PathBuf,
    /// The private key.
    pub(crate) key_file: PathBuf,
}

/// The cluster and who the agent is in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Kubernetes {
    /// `https://10.0.0.1:6443`.
    pub(crate) api_server: String,
    /// The cluster's certificate authority, PEM.
    pub(crate) ca_file: PathBuf,
    /// The service account's token as it was delivered.
    pub(crate) token_file: PathBuf,
    /// Whether the agent asks for its next token at half the life of the present one, and keeps it in the state directory.
    /// False where somebody else renews the file, as kubelet does for a pod.
    #[serde(default = "yes")]
    pub(crate) renew: bool,
    /// The namespace of the service account and of the publisher's Lease.
    #[serde(default = "namespace")]
    pub(crate) namespace: String,
    /// Whether a node with a broken GPU gets a taint.
    #[serde(default)]
    pub(crate) taints: bool,
    /// How this agent is run; of two on a node, the one that holds the node's Lease publishes.
    #[serde(default)]
    pub(crate) publisher: PublisherKind,
    /// How often conditions are written that do not change; twice as long without is silence.
    #[serde(default = "heartbeat")]
    pub(crate) heartbeat: Period<10, 3600>,
}

/// How the agent is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PublisherKind {
    /// As a unit of systemd.
    #[default]
    Systemd,
    /// As a pod of a `DaemonSet`.
    Daemonset,
}

impl PublisherKind {
    /// The holder of the Lease. The same after a restart, which therefore finds its own Lease.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Daemonset => "daemonset",
        }
    }
}

const fn yes() -> bool {
    true
}

/// node-problem-detector's (`pkg/exporters/k8sexporter`, at 6632ca67).
fn heartbeat() -> Period<10, 3600> {
    Period::new(Duration::from_mins(5))
}

fn namespace() -> String {
    "bedplate-system".to_owned()
}

#[cfg(test)]
mod tests;
