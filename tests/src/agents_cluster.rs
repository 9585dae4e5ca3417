//! An API server with the agents' manifests applied as they are, two nodes, and for each node a token bound to it.
//! Called by `tests/agent_identity.rs` and `tests/agent_publish.rs`.

use crate::api_server::ApiServer;
use crate::built::repository;

/// Where agents' identity and leases are.
pub const NAMESPACE: &str = "bedplate-system";
/// Who they are.
pub const AGENT: &str = "system:serviceaccount:bedplate-system:bedplate-agent";

/// The nodes `one` and `two`; `one` is also the name of a kubeconfig with a token of bedplate-agent that is bound to that Node.
pub fn agents_cluster() -> ApiServer {
    let server = ApiServer::start();
    for file in ["namespace", "rbac", "admission-policy"] {
        server.kubectl_must(&["apply", "-f", &manifest(file)]);
    }
    for name in ["one", "two"] {
        server.node(name);
        server.kubeconfig(name, &bound_token(&server, name, "1h"));
    }
    server
}

/// The path of one of `manifests/agent`.
pub fn manifest(name: &str) -> String {
    let path = repository().join("manifests/agent").join(name).with_extension("yaml");
    path.display().to_string()
}

/// A token of bedplate-agent that is bound to a Node and lives this long.
pub fn bound_token(server: &ApiServer, node: &str, life: &str) -> String {
    let (kind, name) = ("--bound-object-kind=Node", format!("--bound-object-name={node}"));
    token(server, &[kind, &name, &format!("--duration={life}")])
}

/// A token of bedplate-agent, made by the administrator.
pub fn token(server: &ApiServer, arguments: &[&str]) -> String {
    let all = ["create", "token", "bedplate-agent", "-n", NAMESPACE];
    server.kubectl_must(&[&all[..], arguments].concat()).trim().to_owned()
}
