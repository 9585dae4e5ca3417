//! One gRPC call over the kubelet's unix socket. Called through [`super::list`].

use super::api::{LIST, ListRequest, ListResponse};
use super::attribution::Attribution;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tonic::client::{Grpc, GrpcService};
use tonic_prost::ProstCodec;

/// The longest answer that is read, tonic's own limit: a kubelet's 110 pods are 100 times shorter.
const ANSWER_BYTES: usize = 4 << 20;

/// Why the kubelet could not be asked. None of these says anything about a GPU.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// Nobody listens.
    #[error("{}: {source}; check that kubelet runs and serves pod resources there", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What listens speaks no HTTP/2.
    #[error("{}: no HTTP/2 there: {source}", socket.display())]
    Handshake {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: hyper::Error,
    },
    /// The call failed; a kubelet that is asked too often answers `ResourceExhausted`.
    #[error("{}: {LIST}: {}: {}", socket.display(), status.code(), status.message())]
    Call {
        /// The socket.
        socket: PathBuf,
        /// gRPC's answer.
        status: Box<tonic::Status>,
    },
    /// No answer in time.
    #[error("{}: no answer to {LIST} within {} s", socket.display(), deadline.as_secs_f32())]
    Deadline {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        deadline: Duration,
    },
}

/// Who holds which GPU now. Takes at most `deadline`.
pub(crate) async fn list(socket: &Path, deadline: Duration) -> Result<Attribution, ListError> {
    tokio::time::timeout(deadline, call(socket)).await.unwrap_or_else(|_| {
        Err(ListError::Deadline {
            socket: socket.to_owned(),
            deadline,
        })
    })
}

async fn call(socket: &Path) -> Result<Attribution, ListError> {
    let path = || socket.to_owned();
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| ListError::Connect { socket: path(), source })?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|source| ListError::Handshake { socket: path(), source })?;
    // What the connection ends with reaches the call as its status.
    let _driven = Driven(tokio::spawn(async move { drop(connection.await) }));
    // The authority that gRPC's own clients send over a unix socket (grpc naming.md: "localhost").
    let mut grpc = Grpc::with_origin(Connection { sender }, Uri::from_static("http://localhost"))
        .max_decoding_message_size(ANSWER_BYTES);
    let failed = |status: tonic::Status| ListError::Call {
        socket: path(),
        status: Box::new(status),
    };
    grpc.ready()
        .await
        .map_err(|source| ListError::Handshake { socket: path(), source })?;
    let codec = ProstCodec::<ListRequest, ListResponse>::default();
    let answer = grpc
        .unary(
            tonic::Request::new(ListRequest {}),
            PathAndQuery::from_static(LIST),
            codec,
        )
        .await
        .map_err(failed)?;
    Ok(answer.into_inner().into())
}

/// The task that moves a connection's bytes; ends with the call, however that ends.
struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// hyper's connection as tonic's transport.
struct Connection {
    sender: http2::SendRequest<tonic::body::Body>,
}

impl GrpcService<tonic::body::Body> for Connection {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

#[cfg(test)]
mod tests;
