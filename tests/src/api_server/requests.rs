//! Requests to the API server, each as somebody: through kubectl, or as a bare PATCH. Called by whole-system tests.

use super::ApiServer;
use crate::built::{self, Ran, run};
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use serde_json::Value;
use std::process::Command;

impl ApiServer {
    /// `kubectl` as the administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Ran {
        self.kubectl_as("administrator", arguments)
    }

    /// `kubectl` as the administrator, which must succeed; what it wrote.
    pub fn kubectl_must(&self, arguments: &[&str]) -> String {
        let ran = self.kubectl(arguments);
        assert_eq!(ran.code, Some(0), "kubectl {arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// An object as JSON, read by the administrator.
    pub fn get(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl_must(&[&["get", "-o", "json"], arguments].concat());
        serde_json::from_str(&text).expect("kubectl writes one JSON document")
    }

    /// `kubectl` as somebody whose kubeconfig [`ApiServer::kubeconfig`] wrote.
    pub fn kubectl_as(&self, who: &str, arguments: &[&str]) -> Ran {
        run(Command::new(built::outside_program("kubectl"))
            .arg("--kubeconfig")
            .arg(self.path(who))
            // A cache of its own: nothing of this server is left in the home directory.
            .arg("--cache-dir")
            .arg(self.path("kubectl-cache"))
            .arg("--request-timeout=30s")
            .args(arguments))
    }

    /// A strategic-merge PATCH of a node, or of a subresource of it, as somebody whose kubeconfig [`ApiServer::kubeconfig`]
    /// wrote: kubectl would read the subresource first, which takes another right. Where the API refuses, its message is in
    /// `stderr`.
    pub fn patch_node_as(&self, who: &str, node: &str, subresource: Option<&str>, body: &Value) -> Ran {
        let (nodes, parameters, patch) = (
            Request::new("/api/v1/nodes"),
            PatchParams::default(),
            Patch::Strategic(body),
        );
        let request = match subresource {
            Some(subresource) => nodes.patch_subresource(subresource, node, &parameters, &patch),
            None => nodes.patch(node, &parameters, &patch),
        };
        let send = async {
            let file = Kubeconfig::read_from(self.path(who)).expect("the kubeconfig was written here");
            let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            let client = kube::Client::try_from(config.expect("the kubeconfig can be used"))?;
            client.request_text(request.map_err(kube::Error::BuildRequest)?).await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (code, stdout, stderr) = match runtime.expect("a runtime starts").block_on(send) {
            Ok(text) => (0, text, String::new()),
            Err(kube::Error::Api(status)) => (1, String::new(), format!("{} {}", status.code, status.message)),
            Err(error) => (1, String::new(), error.to_string()),
        };
        Ran {
            code: Some(code),
            stdout,
            stderr,
        }
    }
}
