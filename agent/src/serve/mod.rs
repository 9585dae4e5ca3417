//! What the daemon knows, over HTTP: `/metrics` for Prometheus, `/v1/state` for programs, `/livez` and `/readyz` for whoever
//! starts it.
//!
//! Answers come from the newest [`State`] and from the kubelet, never from NVML, so that a library that hangs leaves them
//! alive. Listens on loopback unless told otherwise; another address needs TLS and a token. Changes nothing. Called by
//! [`crate::daemon`].

mod exposition;
mod listener;
mod metrics;
mod route;
mod settings;
mod tls;
mod token;

use crate::daemon::State;
use crate::pods;
use route::Shared;
pub(crate) use settings::{LISTEN, Settings, SettingsError};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The port.
    #[error("listen {listen}: {source}; name an address of this host and a port that is free")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody looks at the node any more.
    #[error("the observer has ended, so nothing new will be known; restart bedplate-agent")]
    ObserverEnded,
}

/// Checks the settings, opens the port and answers until the daemon ends. Returns only with the reason why it cannot go on.
pub(crate) async fn run(
    settings: &Settings,
    listen: SocketAddr,
    states: watch::Receiver<Arc<State>>,
) -> Result<Infallible, ServeError> {
    let acceptor = settings.check(listen)?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| ServeError::Bind { listen, source })?;
    let socket = settings.pod_resources_socket.clone();
    let shared = Arc::new(Shared::new(
        states.clone(),
        settings.token_file.clone(),
        socket.unwrap_or_else(|| PathBuf::from(pods::SOCKET)),
    ));
    tracing::info!(%listen, tls = acceptor.is_some(), token = settings.token_file.is_some(), "serving");
    tokio::select! {
        never = listener::accept(listener, acceptor, Arc::clone(&shared)) => match never {},
        () = route::watch_turns(&shared, states) => Err(ServeError::ObserverEnded),
    }
}
