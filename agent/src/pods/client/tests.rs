//! The call over a real unix socket: a server that answers as kubelet does, one that never answers, one that says anything.

use super::super::api::{ContainerDevices, ContainerResources, PodResources};
use super::*;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use hyper::http::HeaderMap;
use proptest::prelude::*;
use prost::Message;
use std::convert::Infallible;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

const SOON: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(10);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Answers one call with a gRPC message of these bytes and this status, as the protocol frames them
/// (grpc/grpc, doc/PROTOCOL-HTTP2.md: a flag byte, a length of four bytes, the message; the status in the trailers).
async fn answering(listener: UnixListener, message: Vec<u8>, status: &'static str) {
    let (stream, _) = listener.accept().await.unwrap();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        assert_eq!(request.uri().path(), LIST);
        let mut framed = vec![0];
        framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        framed.extend_from_slice(&message);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from(framed))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = StreamBody::new(futures::stream::iter(frames));
        async move {
            Response::builder()
                .header("content-type", "application/grpc")
                .body(body)
        }
    });
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = served.serve_connection(TokioIo::new(stream), service).await;
}

fn one_pod() -> Vec<u8> {
    let pod = PodResources {
        name: "trainer".to_owned(),
        namespace: "team-a".to_owned(),
        containers: vec![ContainerResources {
            name: "main".to_owned(),
            devices: vec![ContainerDevices {
                resource_name: "nvidia.com/gpu".to_owned(),
                device_ids: vec!["GPU-1::3".to_owned()],
            }],
            dynamic_resources: Vec::new(),
        }],
    };
    ListResponse {
        pod_resources: vec![pod],
    }
    .encode_to_vec()
}

fn asked(message: Vec<u8>, status: &'static str) -> Result<Attribution, ListError> {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kubelet.sock");
    runtime().block_on(async {
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(answering(listener, message, status));
        list(&socket, LONG).await
    })
}

#[test]
fn a_kubelet_that_answers_is_read() {
    let said = asked(one_pod(), "0").unwrap();
    assert_eq!(said.holders.len(), 1);
    assert_eq!(said.holders[0].pod, "trainer");
    assert_eq!(said.holders[0].replica.as_deref(), Some("3"));
}

#[test]
fn a_kubelet_that_refuses_is_named_with_its_status() {
    // 8 is RESOURCE_EXHAUSTED, kubelet's rate limit.
    let error = asked(one_pod(), "8").unwrap_err();
    assert!(
        matches!(&error, ListError::Call { status, .. } if status.code() == tonic::Code::ResourceExhausted),
        "{error}"
    );
}

#[test]
fn an_answer_longer_than_the_limit_is_refused() {
    let error = asked(vec![0; ANSWER_BYTES + 1], "0").unwrap_err();
    assert!(matches!(error, ListError::Call { .. }), "{error}");
}

#[test]
fn no_kubelet_is_an_error_that_names_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kubelet.sock");
    let error = runtime().block_on(list(&socket, LONG)).unwrap_err();
    assert!(matches!(error, ListError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("kubelet.sock"), "{error}");
}

#[test]
fn a_kubelet_that_never_answers_costs_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kubelet.sock");
    let error = runtime().block_on(async {
        let _deaf = UnixListener::bind(&socket).unwrap();
        list(&socket, SOON).await.unwrap_err()
    });
    assert!(matches!(error, ListError::Deadline { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_server_that_says_anything_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("kubelet.sock");
        let answer = runtime().block_on(async {
            let listener = UnixListener::bind(&socket).unwrap();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.write_all(&bytes).await;
            });
            list(&socket, SOON).await
        });
        prop_assert!(answer.is_err());
    }

    #[test]
    fn a_message_of_any_bytes_is_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let decodes = ListResponse::decode(bytes.as_slice()).is_ok();
        prop_assert_eq!(asked(bytes, "0").is_ok(), decodes);
    }
}
