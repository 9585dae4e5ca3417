//! What a host needs to join: a token that lives for minutes, and the hash of the CA's public key.

use super::ClusterError;
use super::wait::{Seen, until};
use base64::Engine;
use bedplate_protocol::SecretString;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use rand::Rng;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A bootstrap token in the cluster; [`JoinToken::revoke`] deletes it, and the token controller does after its expiry.
pub struct JoinToken {
    id: String,
    /// `id.secret`, as kubeadm takes it.
    pub token: SecretString,
}

/// Minutes a token lives when nobody revokes it: more than the slowest join that was measured (18 s), less than a coffee.
const LIFE_MINUTES: i64 = 15;

/// The controller manager signs within a second of the token's creation once it leads; it may still be starting.
const SIGNED_LIMIT: Duration = Duration::from_mins(1);

impl JoinToken {
    /// Makes a token that may only sign the cluster's public info and authenticate joining kubelets
    /// (kubernetes.io, "Authenticating with Bootstrap Tokens", read 2026-11-21).
    pub async fn create(client: &Client) -> Result<Self, ClusterError> {
        let (id, secret) = (random(6), random(16));
        let expiry = Timestamp::now()
            .checked_add(LIFE_MINUTES.minutes())
            .unwrap_or(Timestamp::MAX);
        let object: Secret = serde_json::from_value(json!({
            "metadata": {"name": format!("bootstrap-token-{id}"), "namespace": "kube-system"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "description": "bedplate: one run's joins",
                "token-id": id, "token-secret": secret,
                "expiration": expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true",
                "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token"
            }
        }))
        .map_err(|e| ClusterError::Manifest("bootstrap token".to_owned(), e.to_string()))?;
        let api: Api<Secret> = Api::namespaced(client.clone(), "kube-system");
        api.create(&PostParams::default(), &object)
            .await
            .map_err(ClusterError::api("make a join token"))?;
        Ok(Self {
            token: SecretString::new(format!("{id}.{secret}")),
            id,
        })
    }

    /// Waits until the cluster's public info is signed with this token. kubeadm would find it unsigned and ask again only
    /// after 5 s (`DiscoveryRetryInterval`, kubernetes v1.36 cmd/kubeadm/app/constants).
    pub async fn signed(&self, client: &Client, tell: &(dyn Fn(String) + Send + Sync)) -> Result<(), ClusterError> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-public");
        let signature = format!("jws-kubeconfig-{}", self.id);
        until("the join token's signature", SIGNED_LIMIT, tell, || async {
            let info = api.get_opt("cluster-info").await?;
            let signed = info
                .and_then(|info| info.data)
                .is_some_and(|data| data.contains_key(&signature));
            Ok(if signed {
                Seen::Yes(())
            } else {
                Seen::NotYet("ConfigMap kube-public/cluster-info is not signed yet".to_owned())
            })
        })
        .await
    }

    /// Deletes the token.
    pub async fn revoke(self, client: &Client) -> Result<(), ClusterError> {
        let api: Api<Secret> = Api::namespaced(client.clone(), "kube-system");
        let name = format!("bootstrap-token-{}", self.id);
        match api.delete(&name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(e) => Err(ClusterError::api("delete the join token")(e)),
        }
    }
}

/// Lower-case letters and digits, from the operating system's random source by way of a reseeding generator.
fn random(length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut generator = rand::rng();
    (0..length)
        .map(|_| char::from(ALPHABET[generator.random_range(0..ALPHABET.len())]))
        .collect()
}

/// The CA in the administrator's kubeconfig, PEM.
pub fn ca(kubeconfig: &SecretString) -> Result<String, ClusterError> {
    let bad = |why: String| ClusterError::Kubeconfig(why);
    let parsed: serde_json::Value = serde_saphyr::from_str(kubeconfig.expose()).map_err(|e| bad(e.to_string()))?;
    let data = parsed["clusters"][0]["cluster"]["certificate-authority-data"].as_str();
    let data = data.ok_or_else(|| bad("it names no certificate-authority-data".to_owned()))?;
    let pem = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|e| bad(e.to_string()))?;
    String::from_utf8(pem).map_err(|e| bad(e.to_string()))
}

/// `sha256:<hex>` of the CA's public key (its DER `SubjectPublicKeyInfo`), as kubeadm's `caCertHashes` takes it, from the CA
/// in the administrator's kubeconfig.
pub fn ca_hash(kubeconfig: &SecretString) -> Result<String, ClusterError> {
    let bad = |why: String| ClusterError::Kubeconfig(why);
    let pem = ca(kubeconfig)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| bad(e.to_string()))?;
    let certificate = pem.parse_x509().map_err(|e| bad(e.to_string()))?;
    Ok(format!(
        "sha256:{}",
        hex::encode(Sha256::digest(certificate.public_key().raw))
    ))
}
