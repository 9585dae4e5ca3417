//! A real etcd and a real kube-apiserver of this test's own, on loopback: identity, admission and writes are what Kubernetes
//! makes of them. There is no kubelet and no controller: the API alone. Called by [`crate::agents_cluster`].
//!
//! It is stopped, and its folder removed, when it is dropped.

mod audit;
mod keys;
mod requests;

use crate::built;
pub use keys::{claims, write_secret};
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to be ready; it takes seconds on an idle machine.
const READY: Duration = Duration::from_mins(3);

/// etcd and kube-apiserver.
pub struct ApiServer {
    folder: tempfile::TempDir,
    etcd: Child,
    etcd_address: SocketAddr,
    server: Option<Child>,
    address: SocketAddr,
}

impl ApiServer {
    /// Starts both, and waits until the API is ready.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let [etcd_address, peer, address] = free_addresses();
        let etcd = Command::new(built::outside_program("etcd"))
            .args(["--name", "one", "--log-level", "error"])
            .arg("--data-dir")
            .arg(folder.path().join("etcd"))
            .args(["--listen-client-urls", &format!("http://{etcd_address}")])
            .args(["--advertise-client-urls", &format!("http://{etcd_address}")])
            .args(["--listen-peer-urls", &format!("http://{peer}")])
            .args(["--initial-advertise-peer-urls", &format!("http://{peer}")])
            .args(["--initial-cluster", &format!("one=http://{peer}")])
            .stdin(Stdio::null())
            .stdout(log(folder.path(), "etcd"))
            .stderr(log(folder.path(), "etcd"))
            .spawn()
            .expect("etcd starts");
        let mut server = Self {
            folder,
            etcd,
            etcd_address,
            server: None,
            address,
        };
        server.write_keys();
        server.run();
        server
    }

    /// The address to say `https://…` to.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate that the server's is to be checked with.
    pub fn authority(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// A file beside the server's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the API server again after [`ApiServer::stop`], at the same address, and waits until it is ready.
    pub fn run(&mut self) {
        let child = Command::new(built::outside_program("kube-apiserver"))
            .args(["--etcd-servers", &format!("http://{}", self.etcd_address)])
            .args(["--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1"])
            .args(["--secure-port", &self.address.port().to_string()])
            .args(["--service-cluster-ip-range", "10.96.0.0/16"])
            .args([
                "--authorization-mode",
                "Node,RBAC",
                "--enable-admission-plugins",
                "NodeRestriction",
            ])
            .args([
                "--service-account-issuer",
                "https://kubernetes.default.svc.cluster.local",
            ])
            .arg("--service-account-key-file")
            .arg(self.path("accounts.key"))
            .arg("--service-account-signing-key-file")
            .arg(self.path("accounts.key"))
            .arg("--tls-cert-file")
            .arg(self.path("server.crt"))
            .arg("--tls-private-key-file")
            .arg(self.path("server.key"))
            .arg("--token-auth-file")
            .arg(self.path("tokens.csv"))
            .arg("--audit-policy-file")
            .arg(self.path("audit.yaml"))
            .arg("--audit-log-path")
            .arg(self.path("audit.jsonl"))
            .args(["--audit-log-mode", "blocking"])
            .stdin(Stdio::null())
            .stdout(log(self.folder.path(), "kube-apiserver"))
            .stderr(log(self.folder.path(), "kube-apiserver"))
            .spawn()
            .expect("kube-apiserver starts");
        self.server = Some(child);
        let since = Instant::now();
        loop {
            let ready =
                TcpStream::connect(self.address).is_ok() && self.kubectl(&["get", "--raw", "/readyz"]).code == Some(0);
            if ready && self.kubectl(&["get", "namespace", "default"]).code == Some(0) {
                return;
            }
            let ended = self.server.as_mut().and_then(|child| child.try_wait().ok().flatten());
            let said = || std::fs::read_to_string(self.path("kube-apiserver.log")).unwrap_or_default();
            assert!(ended.is_none(), "kube-apiserver ended: {}", tail(&said()));
            assert!(
                since.elapsed() < READY,
                "kube-apiserver was not ready in {READY:?}: {}",
                tail(&said())
            );
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// Ends the API server and keeps what etcd has.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.server.take() {
            end(&mut child);
        }
    }

    /// Writes the kubeconfig `who` with this token.
    pub fn kubeconfig(&self, who: &str, token: &str) {
        let text = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": self.url(), "certificate-authority": self.authority()}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        write_secret(&self.path(who), &text.to_string());
    }

    /// Makes a Node object as a kubelet would register it.
    pub fn node(&self, name: &str) {
        let node = serde_json::json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "somebody.example/rack": "7"},
                "annotations": {"somebody.example/note": "kept"}},
            "spec": {"podCIDR": "10.244.0.0/24",
                "taints": [{"key": "somebody.example/reserved", "value": "yes", "effect": "NoSchedule"}]},
        });
        let file = self.path(&format!("{name}.json"));
        std::fs::write(&file, node.to_string()).expect("the object can be written");
        self.kubectl_must(&["create", "-f", &file.display().to_string()]);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop();
        end(&mut self.etcd);
    }
}

fn end(child: &mut Child) {
    // One that has ended already is as good.
    let _ = child.kill();
    let _ = child.wait();
}

fn log(folder: &Path, name: &str) -> Stdio {
    let path = folder.join(format!("{name}.log"));
    let file = File::options().create(true).append(true).open(path);
    file.expect("the log can be written").into()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Ports that were free a moment ago, held together so that they differ.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let held: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a loopback port is free"));
    held.each_ref()
        .map(|listener| listener.local_addr().expect("it has an address"))
}
