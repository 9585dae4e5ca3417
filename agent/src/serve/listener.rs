//! The port: a bounded number of connections, each with one request and a deadline. Called by [`super::Server`].

use super::route::{self, Shared};
use super::tls::Acceptor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Two Prometheus servers, a probe and a few people; what comes beyond waits in the kernel's queue.
const CONNECTIONS: usize = 16;
/// For handshake, request and answer together: above it Prometheus' own default, 10 s, has ended the scrape.
const CONNECTION: Duration = Duration::from_secs(15);
/// For the request's head.
const HEAD: Duration = Duration::from_secs(5);
/// The longest head; Prometheus sends some 400 bytes, and hyper takes no smaller limit.
const HEAD_BYTES: usize = 8192;
/// How long to wait after the process has run out of file descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, mut tls: Option<Acceptor>, shared: Arc<Shared>) -> Infallible {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            continue;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let tls = tls.as_mut().map(Acceptor::current);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A peer that breaks off or is too slow is its own affair.
            let _ = timeout(CONNECTION, async {
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, shared).await;
                        }
                    }
                    None => answer(stream, shared).await,
                }
            })
            .await;
            drop(slot);
        });
    }
}

/// One request. Connections are not kept: a scrape every few seconds gains nothing, and an idle peer would hold a slot.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(route::answer(&request, &shared).await) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a request ended early");
    }
}
