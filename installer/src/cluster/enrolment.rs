//! Who an agent is in its cluster: a token of its `ServiceAccount`, bound to its Node object.

use super::ClusterError;
use bedplate_protocol::SecretString;
use bedplate_protocol::plan::TokenClaims;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::Client;
use kube::api::{Api, PostParams};

/// Where `manifests/agent/` puts the account.
const NAMESPACE: &str = "bedplate-system";
const ACCOUNT: &str = "bedplate-agent";
/// A node that is off for longer than this needs `bedplate up` to come back; the agent renews at half of it.
const LIFE_SECONDS: i64 = 24 * 3600;
/// A token that the agent has not renewed by then is one that it cannot renew.
const LEAST_SECONDS: u64 = 3600;

/// A new token and what a token must say to do instead of it.
pub struct Enrolment {
    /// The token.
    pub token: SecretString,
    /// Its claims.
    pub claims: TokenClaims,
}

/// Asks for a token of the agent's account that is bound to this node: it dies with the Node object (kubernetes.io, "Managing
/// Service Accounts", `TokenRequest`, read 2026-11-21).
pub async fn enrol(client: &Client, node: &str) -> Result<Enrolment, ClusterError> {
    let nodes: Api<Node> = Api::all(client.clone());
    let object = nodes
        .get(node)
        .await
        .map_err(ClusterError::api(format!("read node {node}")))?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let account = accounts
        .get(ACCOUNT)
        .await
        .map_err(ClusterError::api(format!("read service account {NAMESPACE}/{ACCOUNT}")))?;
    let node_uid = object.metadata.uid.unwrap_or_default();
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: None,
            expiration_seconds: Some(LIFE_SECONDS),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                uid: Some(node_uid.clone()),
            }),
        }),
        ..TokenRequest::default()
    };
    let issued = accounts
        .create_token_request(ACCOUNT, &PostParams::default(), &request)
        .await
        .map_err(ClusterError::api(format!("make a token for the agent of {node}")))?;
    // The server fills it in or answers an error; an empty one would be refused at the agent's first request.
    let token = issued.status.and_then(|status| status.token).unwrap_or_default();
    Ok(Enrolment {
        token: SecretString::new(token),
        claims: TokenClaims {
            namespace: NAMESPACE.to_owned(),
            service_account: ACCOUNT.to_owned(),
            service_account_uid: account.metadata.uid.unwrap_or_default(),
            node: node.to_owned(),
            node_uid,
            least_seconds: LEAST_SECONDS,
        },
    })
}
