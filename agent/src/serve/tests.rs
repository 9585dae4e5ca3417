//! The open port, asked over real sockets.

use super::*;
use crate::serve::metrics::tests::before_the_first_pass;
use jiff::Timestamp;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More silent peers than there are slots.
const SILENT: usize = 20;
/// Slower than anything here is on a busy machine, and well above the time that a silent peer may hold a slot.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server on a free port, and what feeds it.
async fn serving() -> (SocketAddr, watch::Sender<Arc<State>>) {
    let (sender, states) = watch::channel(Arc::new(before_the_first_pass()));
    let serve = Serve {
        pod_resources_socket: Some(PathBuf::from("/nowhere/kubelet.sock")),
        ..Serve::default()
    };
    let server = Server::open(&serve, "127.0.0.1:0".parse().unwrap(), states, None)
        .await
        .unwrap();
    let address = server.listener.local_addr().unwrap();
    tokio::spawn(server.answer());
    (address, sender)
}

async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A server that has heard enough may reset the connection.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

async fn status(address: SocketAddr, path: &str) -> String {
    let answer = ask(address, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn ready_is_who_has_passed_once() {
    let (address, sender) = serving().await;
    assert_eq!(status(address, "/readyz").await, "503");
    assert_eq!(
        status(address, "/metrics").await,
        "200",
        "the agent's own values are there from the beginning"
    );
    let mut after = before_the_first_pass();
    after.last_pass = Some(Timestamp::now());
    sender.send(Arc::new(after)).unwrap();
    assert_eq!(status(address, "/readyz").await, "200");
}

#[tokio::test]
async fn alive_is_who_turned_within_three_intervals() {
    let (address, sender) = serving().await;
    assert_eq!(status(address, "/livez").await, "200");
    let mut impatient = before_the_first_pass();
    impatient.interval_seconds = 0;
    sender.send(Arc::new(impatient)).unwrap();
    let since = Instant::now();
    while status(address, "/livez").await != "503" {
        assert!(since.elapsed() < PATIENCE, "an interval of 0 s is over at once");
    }
    sender.send(Arc::new(before_the_first_pass())).unwrap();
    assert_eq!(status(address, "/livez").await, "200");
}

#[tokio::test]
async fn peers_that_say_nothing_do_not_keep_others_out() {
    let (address, _sender) = serving().await;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(status(address, "/livez").await, "200");
}

#[tokio::test]
async fn what_is_no_request_is_no_answer_and_no_end() {
    let (address, _sender) = serving().await;
    for nonsense in [
        &b"\0\x01\x02\r\n\r\n"[..],
        b"GET",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &vec![b'x'; 100_000],
    ] {
        let mut nonsense = nonsense.to_vec();
        nonsense.extend_from_slice(b"\r\n\r\n");
        assert!(!ask(address, &nonsense).await.contains(" 200 "));
    }
    assert_eq!(status(address, "/livez").await, "200");
}

#[tokio::test]
async fn a_server_ends_with_its_daemon() {
    let (sender, states) = watch::channel(Arc::new(before_the_first_pass()));
    let server = Server::open(&Serve::default(), "127.0.0.1:0".parse().unwrap(), states, None)
        .await
        .unwrap();
    drop(sender);
    tokio::time::timeout(PATIENCE, server.answer()).await.unwrap();
}
