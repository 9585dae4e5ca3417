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

use crate::daemon::{Serve, State};
use crate::pods;
use crate::publish::Published;
use route::Shared;
use settings::SettingsError;
pub(crate) use settings::{exposed, unusable_files};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls::Acceptor;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What `/metrics` writes of a state while the kubelet does not answer, for a property of [`crate::gpu`].
#[cfg(any(test, fuzzing))]
pub(crate) fn exposition_of(state: &State) -> String {
    metrics::text(state, None, None, state.at, exposition::Format::Text)
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
enum ServeError {
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
}

/// Before a port that could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Answers until nobody makes states any more. What keeps it from that is told and tried again, for a port that is taken and a
/// certificate that is late must not keep anybody from looking at the GPUs; `tell` has nothing once it serves.
pub(crate) async fn run(
    serve: Serve,
    listen: SocketAddr,
    states: watch::Receiver<Arc<State>>,
    published: Option<watch::Receiver<Published>>,
    tell: impl Fn(Option<String>),
) {
    loop {
        match Server::open(&serve, listen, states.clone(), published.clone()).await {
            Ok(server) => {
                tell(None);
                return server.answer().await;
            }
            Err(error) => {
                tell(Some(error.to_string()));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// An open port that answers nobody yet.
struct Server {
    listener: TcpListener,
    acceptor: Option<Acceptor>,
    shared: Arc<Shared>,
    states: watch::Receiver<Arc<State>>,
}

impl Server {
    /// Checks the settings and opens the port. `published` where there is a cluster to publish to.
    async fn open(
        serve: &Serve,
        listen: SocketAddr,
        states: watch::Receiver<Arc<State>>,
        published: Option<watch::Receiver<Published>>,
    ) -> Result<Self, ServeError> {
        let acceptor = settings::check(serve, listen)?;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| ServeError::Bind { listen, source })?;
        let socket = serve.pod_resources_socket.clone();
        let shared = Arc::new(Shared::new(
            states.clone(),
            published,
            serve.token_file.clone(),
            socket.unwrap_or_else(|| PathBuf::from(pods::SOCKET)),
        ));
        tracing::info!(%listen, tls = acceptor.is_some(), token = serve.token_file.is_some(), "serving");
        Ok(Self {
            listener,
            acceptor,
            shared,
            states,
        })
    }

    /// Answers until nobody makes states any more.
    async fn answer(self) {
        tokio::select! {
            never = listener::accept(self.listener, self.acceptor, Arc::clone(&self.shared)) => match never {},
            () = route::watch_turns(&self.shared, self.states) => {}
        }
    }
}

#[cfg(test)]
mod tests;
