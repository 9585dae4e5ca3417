//! The Kubernetes API as bedplate uses it: apply objects, wait for conditions, make join tokens.
//!
//! Server-side apply is never forced, and nothing here writes an object's `.status`. Called by `capabilities/` and `cli/`.

pub mod agents;
pub mod apply;
mod causes;
pub mod enrolment;
pub mod join;
pub mod kubeconfig;
pub mod nodes;
pub mod wait;

pub use causes::causes;

use bedplate_protocol::SecretString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::PathBuf;

/// What went wrong between us and the API.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A kubeconfig that cannot be used.
    #[error("the administrator's kubeconfig of the control-plane host cannot be used: {0}")]
    Kubeconfig(String),
    /// An API call.
    #[error("the Kubernetes API refused to {action}")]
    Api {
        /// What we asked for.
        action: String,
        /// The API's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// A wait that ran out.
    #[error("waited {seconds} s for {what}; last seen: {last}")]
    TimedOut {
        /// For what.
        what: String,
        /// How long.
        seconds: u64,
        /// What there was instead.
        last: String,
    },
    /// One of our own manifests cannot be read.
    #[error("the manifest {0} cannot be read: {1}")]
    Manifest(String, String),
    /// The kubeconfig file cannot be written.
    #[error("cannot write {path}", path = .0.display())]
    Write(PathBuf, #[source] std::io::Error),
}

impl ClusterError {
    /// An error of an API call.
    pub fn api(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Api {
            action,
            source: Box::new(source),
        }
    }
}

/// A client for the cluster of this kubeconfig.
pub async fn client(kubeconfig: &SecretString) -> Result<kube::Client, ClusterError> {
    kube::Client::try_from(config(kubeconfig).await?).map_err(ClusterError::api("open a connection"))
}

/// Where the cluster of this kubeconfig is, and who we are there.
pub async fn config(kubeconfig: &SecretString) -> Result<kube::Config, ClusterError> {
    let bad = |e: kube::config::KubeconfigError| ClusterError::Kubeconfig(causes(&e).join(": "));
    // The parser's own message repeats what it read, which may be a secret.
    let parsed = Kubeconfig::from_yaml(kubeconfig.expose()).map_err(|_| {
        ClusterError::Kubeconfig("it is not YAML with the keys clusters, users and contexts".to_owned())
    })?;
    kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .map_err(bad)
}
