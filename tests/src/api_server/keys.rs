//! The keys and tokens of one test's API server: its certificate and authority, the key that signs service accounts' tokens, and
//! the administrator. Called by [`super::ApiServer::start`], and by tests that need a token of another age.

use super::ApiServer;
use crate::built::run;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

/// The bearer token of this server's administrator. It guards a loopback port for the length of a test.
const ADMINISTRATOR: &str = "administrator-of-one-test";

impl ApiServer {
    /// Everything that the server is started with and that is secret, or refers to it.
    pub(super) fn write_keys(&self) {
        let openssl = |arguments: &[&str]| {
            let ran = run(Command::new("openssl").args(arguments).current_dir(self.path("")));
            assert_eq!(ran.code, Some(0), "openssl {arguments:?}: {}", ran.stderr);
        };
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let authority = [
            "req",
            "-x509",
            "-subj",
            "/CN=authority of one test",
            "-days",
            "2",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ];
        openssl(&[&authority, &curve[..]].concat());
        let server = [
            "req",
            "-x509",
            "-subj",
            "/CN=kube-apiserver",
            "-days",
            "2",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
        ];
        let names = [
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        openssl(
            &[
                &server,
                &names[..],
                &["-keyout", "server.key", "-out", "server.crt"],
                &curve,
            ]
            .concat(),
        );
        openssl(&["genrsa", "-out", "accounts.key", "2048"]);
        write_secret(
            &self.path("tokens.csv"),
            &format!("{ADMINISTRATOR},administrator,administrator,system:masters\n"),
        );
        let policy =
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
        std::fs::write(self.path("audit.yaml"), policy).expect("the audit policy can be written");
        self.kubeconfig("administrator", ADMINISTRATOR);
    }

    /// The token that the API server would have given earlier or for longer: the same claims but for its times, in seconds
    /// since the epoch, signed with the server's own key (RS256, RFC 7518 §3.3).
    pub fn signed_again(&self, token: &str, issued: i64, expires: i64) -> String {
        let header = token.split('.').next().expect("a token has a header");
        let mut claims = claims(token);
        for (name, at) in [("iat", issued), ("nbf", issued), ("exp", expires)] {
            claims[name] = at.into();
        }
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let (input, output) = (self.path("to-sign"), self.path("signature"));
        write_secret(&input, &signed);
        let ran = run(Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(self.path("accounts.key"))
            .arg("-out")
            .args([&output, &input]));
        assert_eq!(ran.code, Some(0), "openssl dgst: {}", ran.stderr);
        let signature = std::fs::read(output).expect("openssl has written the signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What a token says of itself.
pub fn claims(token: &str) -> Value {
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    serde_json::from_slice(&claims.expect("a token has claims")).expect("they are JSON")
}

/// Writes a file with a credential in it.
pub fn write_secret(path: &Path, text: &str) {
    let file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path);
    file.expect("the file can be made")
        .write_all(text.as_bytes())
        .expect("the file can be written");
}
