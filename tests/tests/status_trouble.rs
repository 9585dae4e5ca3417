//! `bedplate status` where the nodes cannot be read: each cause has a code and a cure of its own, and none counts as a problem of
//! a GPU. Drives the built `bedplate` against a real API server, and against what is none.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_protocol::Finding;
use bedplate_tests::agents_cluster::{NAMESPACE, agents_cluster};
use bedplate_tests::api_server::ApiServer;
use bedplate_tests::built::{bedplate, program, run};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

/// How `status` with this kubeconfig ends, and its only finding.
fn trouble(file: &Path) -> (Option<i32>, Finding) {
    let file = file.display().to_string();
    let ran = bedplate(Path::new("/"), &["--output", "json", "status", "--kubeconfig", &file]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("stdout is one JSON document");
    let mut findings: Vec<Finding> = serde_json::from_value(document["findings"].clone()).expect("a list of findings");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let finding = findings.remove(0);
    println!("{finding}\n");
    let told = finding.to_string();
    assert!(!told.contains("Status {") && !told.contains("Some("), "{told}");
    (ran.code, finding)
}

/// A kubeconfig without authority and user for this address.
fn kubeconfig(folder: &Path, server: &str) -> std::path::PathBuf {
    let path = folder.join("kubeconfig");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: it, users: [{{name: it, user: {{}}}}], \
         clusters: [{{name: it, cluster: {{server: '{server}'}}}}], contexts: [{{name: it, context: {{cluster: it, user: it}}}}]}}"
    );
    std::fs::write(&path, text).expect("the kubeconfig can be written");
    path
}

/// Answers one connection with these bytes.
fn answers(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().take(1) {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
        }
    });
    address
}

#[test]
fn what_a_real_api_server_refuses_is_told_apart() {
    let server: ApiServer = agents_cluster();
    server.kubeconfig("stranger", "no-such-token");
    let (code, finding) = trouble(&server.path("stranger"));
    assert_eq!((code, finding.code.as_str()), (Some(3), "api-unauthorized"));
    assert!(finding.message.contains("stranger"), "{finding}");

    server.kubectl_must(&["create", "serviceaccount", "nobody", "-n", NAMESPACE]);
    let token = server.kubectl_must(&["create", "token", "nobody", "-n", NAMESPACE]);
    server.kubeconfig("nobody", token.trim());
    let (code, finding) = trouble(&server.path("nobody"));
    assert_eq!((code, finding.code.as_str()), (Some(3), "api-forbidden"));

    // The same address, and an authority that has not signed its certificate.
    let other = server.path("other.crt");
    let made = run(Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-subj",
            "/CN=another",
            "-days",
            "2",
            "-newkey",
            "ec",
            "-pkeyopt",
        ])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-keyout"])
        .arg(server.path("other.key"))
        .arg("-out")
        .arg(&other));
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let text = std::fs::read_to_string(server.path("one")).expect("a kubeconfig");
    let text = text.replace(&server.authority().display().to_string(), &other.display().to_string());
    std::fs::write(server.path("mismatch"), text).expect("the kubeconfig can be written");
    let (code, finding) = trouble(&server.path("mismatch"));
    assert_eq!((code, finding.code.as_str()), (Some(3), "api-certificate"));
}

#[test]
fn what_is_no_api_server_is_told_apart_from_silence() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, code) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"[..],
            "api-not-kubernetes",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n<html></html>",
            "api-not-kubernetes",
        ),
    ] {
        let file = kubeconfig(folder.path(), &format!("http://{}", answers(bytes)));
        let (ended, finding) = trouble(&file);
        assert_eq!((ended, finding.code.as_str()), (Some(3), code));
    }
    let plain = answers(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let (ended, finding) = trouble(&kubeconfig(folder.path(), &format!("https://{plain}")));
    assert_eq!((ended, finding.code.as_str()), (Some(3), "api-not-kubernetes"));

    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap();
    let (ended, finding) = trouble(&kubeconfig(folder.path(), &format!("https://{closed}")));
    assert_eq!((ended, finding.code.as_str()), (Some(3), "api-unreachable"));
    assert!(finding.message.contains(&closed.to_string()), "{finding}");
}

#[test]
fn a_file_that_is_no_kubeconfig_is_named_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.yaml");
    for text in [
        "",
        "a-secret-of-mine",
        "- a-secret-of-mine",
        "clusters: a-secret-of-mine",
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, finding) = trouble(&file);
        assert_eq!((code, finding.code.as_str()), (Some(65), "kubeconfig-unusable"));
        assert!(finding.subject.ends_with("mine.yaml"), "{finding}");
        assert!(!finding.to_string().contains("a-secret-of-mine"), "{finding}");
    }
    let (code, finding) = trouble(&folder.path().join("absent"));
    assert_eq!((code, finding.code.as_str()), (Some(65), "kubeconfig-unreadable"));
}

#[test]
fn an_answer_that_cannot_be_written_is_74_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "name: [").unwrap();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for arguments in [
        &["--output", "json", "preflight", "bad.yaml"][..],
        &["--output", "json", "status", "--kubeconfig", "absent"],
        &["--help"],
    ] {
        for stdout in [full(), closed()] {
            let child = Command::new(program("bedplate"))
                .args(arguments)
                .current_dir(folder.path())
                .stdout(stdout)
                .stderr(Stdio::piped())
                .output()
                .unwrap();
            assert_eq!(child.status.code(), Some(74), "{arguments:?}");
            let told = String::from_utf8_lossy(&child.stderr);
            assert!(!told.contains("panicked"), "{told}");
        }
    }
    let refused = Command::new(program("bedplate"))
        .args(["preflight", "bad.yaml"])
        .current_dir(folder.path())
        .stderr(closed())
        .status()
        .unwrap();
    assert_eq!(
        refused.code(),
        Some(74),
        "what is for people goes to stderr, and nobody reads it"
    );
}

#[test]
fn a_status_that_cannot_be_written_is_not_told_as_done() {
    let server = agents_cluster();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = Command::new(program("bedplate"))
        .args(["status", "--kubeconfig"])
        .arg(server.path("administrator"))
        .stdout(full)
        .status()
        .unwrap();
    assert_eq!(ran.code(), Some(74));
}
