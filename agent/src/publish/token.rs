//! The agent's token: which of its files holds the one that lives longest, and when the next one is asked for.
//!
//! Reads a token's claims and never checks its signature: only the API server can. Called by [`super`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedplate_protocol::SecretString;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A token of Kubernetes has one to two kilobytes.
const LARGEST: u64 = 64 << 10;
/// The shortest life that Kubernetes gives (`spec.expirationSeconds` of `TokenRequest`, Kubernetes 1.36.3).
const SHORTEST_LIFE: i64 = 600;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// No file has one.
    #[error("no usable token: {0}; run `bedplate up`, which delivers one")]
    None(String),
    /// All of them are of the past.
    #[error("the token expired at {0}; run `bedplate up`, which delivers a new one")]
    Expired(Timestamp),
    /// Somebody else's.
    #[error(
        "the token is bound to the node {bound:?} and this agent is told that it runs on {told:?}; correct nodeName, or run `bedplate up`"
    )]
    OtherNode {
        /// The token's.
        bound: String,
        /// The configuration's.
        told: String,
    },
}

/// A token and what it says about itself.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// The token.
    pub(super) text: SecretString,
    /// When it was made.
    pub(super) issued: Timestamp,
    /// Until when it is good.
    pub(super) expires: Timestamp,
    /// Whose.
    identity: Identity,
}

#[derive(Debug, Clone, Deserialize)]
struct Claims {
    iat: i64,
    exp: i64,
    #[serde(rename = "kubernetes.io")]
    identity: Identity,
}

#[derive(Debug, Clone, Deserialize)]
struct Identity {
    namespace: String,
    serviceaccount: Named,
    node: Option<Named>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

impl Token {
    /// The token that lives longest of those in these files, if it is this node's and still good at `now`.
    pub(super) fn newest(files: &[&Path], node: &str, now: Timestamp) -> Result<Self, TokenError> {
        let mut why = Vec::new();
        let mut best: Option<Self> = None;
        for file in files {
            match Self::read(file) {
                Ok(token) if best.as_ref().is_none_or(|best| best.expires < token.expires) => best = Some(token),
                Ok(_) => {}
                Err(cause) => why.push(format!("{}: {cause}", file.display())),
            }
        }
        let Some(token) = best else {
            return Err(TokenError::None(why.join("; ")));
        };
        if token.expires <= now {
            return Err(TokenError::Expired(token.expires));
        }
        match &token.identity.node {
            Some(bound) if bound.name != node => Err(TokenError::OtherNode {
                bound: bound.name.clone(),
                told: node.to_owned(),
            }),
            _ => Ok(token),
        }
    }

    fn read(file: &Path) -> Result<Self, String> {
        let open = std::fs::File::open(file).map_err(|error| error.to_string())?;
        let mut text = String::new();
        open.take(LARGEST)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        Self::parse(text.trim())
    }

    /// A token as the API server writes it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let no_token = || "it is not a service account's token".to_owned();
        let claims = text.split('.').nth(1).ok_or_else(no_token)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| no_token())?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| no_token())?;
        let at = |seconds| Timestamp::from_second(seconds).map_err(|_| no_token());
        Ok(Self {
            text: SecretString::new(text),
            issued: at(claims.iat)?,
            expires: at(claims.exp)?,
            identity: claims.identity,
        })
    }

    /// At half its life.
    pub(super) fn renewal(&self) -> Timestamp {
        self.issued + SignedDuration::from_secs(self.life() / 2)
    }

    fn life(&self) -> i64 {
        (self.expires.as_second() - self.issued.as_second()).max(0)
    }

    /// Where the next token is asked for: the path of the service accounts, and this one's name.
    pub(super) fn account(&self) -> (String, &str) {
        let path = format!("/api/v1/namespaces/{}/serviceaccounts", self.identity.namespace);
        (path, &self.identity.serviceaccount.name)
    }

    /// The request for a token of the same life, bound to the same Node.
    pub(super) fn request(&self, node: &str) -> Value {
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "expirationSeconds": self.life().max(SHORTEST_LIFE),
                "boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": node},
            },
        })
    }
}

/// Puts the token of an answer to [`Token::request`] into `file`, readable by its owner only, whole or not at all.
pub(super) fn keep(answer: &Value, file: &Path) -> Result<Token, String> {
    let text = answer["status"]["token"].as_str().ok_or("the answer has no token")?;
    let token = Token::parse(text)?;
    crate::durable::write(file, text.as_bytes(), 0o600)
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    Ok(token)
}

/// Where a token that somebody else has made may be: in the file, and, as a unit's credential of the file's name, in systemd's
/// `$CREDENTIALS_DIRECTORY` (systemd.exec(5), since systemd 247). The file comes with both: an older systemd knows no
/// credentials, and a credential is that of the unit's start.
pub(super) fn delivered(file: &Path, credentials: Option<&OsStr>) -> Vec<PathBuf> {
    let credential = credentials
        .zip(file.file_name())
        .map(|(directory, name)| Path::new(directory).join(name));
    std::iter::once(file.to_owned()).chain(credential).collect()
}

/// Where renewed tokens are: beside what else survives a restart, because what systemd loads as a credential cannot be written.
pub(super) fn renewed(state_directory: &Path) -> PathBuf {
    state_directory.join("token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn token(node: &str, issued: i64, expires: i64) -> String {
        let claims = json!({"iat": issued, "exp": expires, "kubernetes.io": {
            "namespace": "bedplate-system", "serviceaccount": {"name": "bedplate-agent"}, "node": {"name": node}}});
        format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_token_that_lives_longest_is_used_whoever_delivered_it() {
        let folder = tempfile::tempdir().unwrap();
        let (delivered, renewed) = (folder.path().join("delivered"), folder.path().join("renewed"));
        std::fs::write(&delivered, token("one", 0, 1000)).unwrap();
        let newest = |now| Token::newest(&[&delivered, &renewed], "one", at(now));
        assert_eq!(newest(10).unwrap().expires, at(1000));
        std::fs::write(&renewed, token("one", 500, 1500)).unwrap();
        assert_eq!(newest(10).unwrap().expires, at(1500));
        std::fs::write(&delivered, token("one", 1000, 2000) + "\n").unwrap();
        let token = newest(10).unwrap();
        assert_eq!((token.expires, token.renewal()), (at(2000), at(1500)));
        assert!(matches!(newest(2000), Err(TokenError::Expired(_))));
    }

    #[test]
    fn a_token_is_delivered_as_a_file_and_where_systemd_can_as_a_credential_of_its_name() {
        let file = Path::new("/etc/bedplate/agent-token");
        assert_eq!(delivered(file, None), [file]);
        let credential = Path::new("/run/credentials/bedplate-agent.service/agent-token");
        assert_eq!(
            delivered(file, credential.parent().map(Path::as_os_str)),
            [file, credential]
        );
    }

    #[test]
    fn a_missing_foreign_or_broken_token_is_told_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let tell = || Token::newest(&[&file], "one", at(10)).unwrap_err().to_string();
        assert!(tell().contains("bedplate up"));
        std::fs::write(&file, token("two", 0, 1000)).unwrap();
        assert!(tell().contains("\"two\"") && tell().contains("\"one\""), "{}", tell());
        std::fs::write(&file, "not.a-secret-token.at-all").unwrap();
        assert!(!tell().contains("secret"), "{}", tell());
        let whole = Token::parse(&token("one", 0, 1000)).unwrap();
        assert!(!format!("{whole:?}").contains("c2lnbmF0dXJl"));
    }

    #[test]
    fn a_renewed_token_is_its_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = renewed(folder.path());
        keep(&json!({"status": {"token": token("one", 0, 1000)}}), &file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(keep(&json!({"status": {}}), &file).is_err());
        assert_eq!(
            Token::newest(&[&file], "one", at(10)).unwrap().expires,
            at(1000),
            "what was there is kept"
        );
    }
}
