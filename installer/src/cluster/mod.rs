//! The Kubernetes API as bedplate uses it: apply objects, wait for conditions, make join tokens.
//!
//! Server-side apply is never forced, and nothing here writes an object's `.status`. Called by `capabilities/` and `cli/`.

pub mod agents;
pub mod apply;
pub mod enrolment;
pub mod join;
pub mod nodes;
pub mod wait;

use bedplate_protocol::SecretString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::{Path, PathBuf};

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
    let parsed = Kubeconfig::from_yaml(kubeconfig.expose()).map_err(|e| ClusterError::Kubeconfig(e.to_string()))?;
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .map_err(|e| ClusterError::Kubeconfig(e.to_string()))?;
    kube::Client::try_from(config).map_err(ClusterError::api("open a connection"))
}

/// Writes the kubeconfig where the user finds it: mode 0600 from its first byte, complete or not at all.
pub fn write_kubeconfig(path: &Path, kubeconfig: &SecretString) -> Result<(), ClusterError> {
    use std::io::Write;
    let error = |e| ClusterError::Write(path.to_path_buf(), e);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    // tempfile makes its files 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(error)?;
    file.write_all(kubeconfig.expose().as_bytes()).map_err(error)?;
    file.as_file().sync_all().map_err(error)?;
    file.persist(path).map_err(|e| error(e.error))?;
    Ok(())
}
