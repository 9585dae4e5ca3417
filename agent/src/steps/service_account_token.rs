//! A service account's token in a file: bound to this node, and alive for a while yet.
//!
//! The token is renewed in place by who uses it, so `inspect` reads its claims and never compares it. It does not verify the
//! signature: the API server does, at every request. Never shows a token, whole or in part.

use super::{Context, State, StepError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedplate_protocol::plan::{Content, TokenClaims};
use jiff::Timestamp;
use serde::Deserialize;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

const MODE: u32 = 0o600;

/// The payload of a JSON web token (RFC 7519 §3), as far as it matters here.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Payload {
    /// Seconds since 1970.
    exp: i64,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Kubernetes {
    namespace: String,
    serviceaccount: Object,
    node: Option<Object>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Object {
    name: String,
    uid: String,
}

pub(super) fn inspect(path: &str, claims: &TokenClaims, context: &Context<'_>) -> Result<State, StepError> {
    let wanted = format!(
        "a token of {}/{} that is bound to node {}",
        claims.namespace, claims.service_account, claims.node
    );
    let place = context.at(path);
    let text = match fs::read_to_string(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::differs("no such file", wanted)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(State::differs("no token", wanted)),
        text => text.map_err(StepError::io(&place, "read"))?,
    };
    if let Some(difference) = difference(&text, claims, Timestamp::now()) {
        return Ok(State::differs(difference, wanted));
    }
    let metadata = fs::metadata(&place).map_err(StepError::io(&place, "read"))?;
    let bits = metadata.permissions().mode() & 0o7777;
    if bits != MODE {
        return Ok(State::differs(format!("mode {bits:04o}"), format!("mode {MODE:04o}")));
    }
    Ok(State::Holds)
}

pub(super) fn change(path: &str, token: &Content, context: &Context<'_>) -> Result<(), StepError> {
    let place = context.at(path);
    if let Some(parent) = place.parent() {
        crate::durable::directory(parent, 0o700).map_err(StepError::io(parent, "created"))?;
    }
    let token = context.resolve(token)?;
    crate::durable::write(&place, token.as_bytes(), MODE).map_err(StepError::io(&place, "written"))
}

/// Why a token will not do.
fn difference(token: &str, claims: &TokenClaims, now: Timestamp) -> Option<String> {
    let Some(payload) = payload(token) else {
        return Some("no token".to_owned());
    };
    let Some(kubernetes) = payload.kubernetes else {
        return Some("a token of something else than a service account".to_owned());
    };
    let account = &kubernetes.serviceaccount;
    if (&kubernetes.namespace, &account.name) != (&claims.namespace, &claims.service_account) {
        return Some(format!("a token of {}/{}", kubernetes.namespace, account.name));
    }
    if account.uid != claims.service_account_uid {
        return Some("a token of a service account that has been made anew since".to_owned());
    }
    match kubernetes.node {
        None => return Some("a token that is bound to no node".to_owned()),
        Some(node) if node.name != claims.node => return Some(format!("a token that is bound to node {}", node.name)),
        Some(node) if node.uid != claims.node_uid => {
            return Some("a token that is bound to a Node object which has been made anew since".to_owned());
        }
        Some(_) => {}
    }
    let left = payload.exp.saturating_sub(now.as_second());
    let least = i64::try_from(claims.least_seconds).unwrap_or(i64::MAX);
    if left <= 0 {
        return Some("a token that has expired".to_owned());
    }
    (left < least).then(|| format!("a token that lives for {left} s more"))
}

fn payload(token: &str) -> Option<Payload> {
    let mut parts = token.trim().split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> TokenClaims {
        TokenClaims {
            namespace: "bedplate-system".into(),
            service_account: "bedplate-agent".into(),
            service_account_uid: "a1".into(),
            node: "gpu-1".into(),
            node_uid: "n1".into(),
            least_seconds: 3600,
        }
    }

    fn token(account_uid: &str, node: &str, node_uid: &str, exp: i64) -> String {
        let payload = serde_json::json!({"exp": exp, "aud": ["x"], "kubernetes.io": {
            "namespace": "bedplate-system",
            "serviceaccount": {"name": "bedplate-agent", "uid": account_uid},
            "node": {"name": node, "uid": node_uid}}});
        format!("e30.{}.sig\n", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    fn said(token: &str) -> Option<String> {
        difference(token, &claims(), Timestamp::from_second(1000).unwrap())
    }

    #[test]
    fn a_token_of_this_node_that_lives_long_enough_will_do_whoever_renewed_it() {
        assert_eq!(said(&token("a1", "gpu-1", "n1", 1000 + 3600)), None);
        assert_eq!(said(&token("a1", "gpu-1", "n1", 1_000_000)), None);
    }

    #[test]
    fn every_reason_why_a_token_will_not_do_is_told_without_the_token() {
        for (text, reason) in [
            (token("a1", "gpu-1", "n1", 999), "expired"),
            (token("a1", "gpu-1", "n1", 1010), "lives for 10 s more"),
            (token("a1", "gpu-2", "n1", 9_000_000), "bound to node gpu-2"),
            (
                token("a1", "gpu-1", "n0", 9_000_000),
                "Node object which has been made anew",
            ),
            (
                token("a0", "gpu-1", "n1", 9_000_000),
                "service account that has been made anew",
            ),
            ("e30.e30.sig".to_owned(), "no token"),
            ("hunter2".to_owned(), "no token"),
            (String::new(), "no token"),
        ] {
            let told = said(&text).unwrap();
            assert!(told.contains(reason), "{reason}: {told}");
            assert!(text.is_empty() || !told.contains(text.trim()), "{told}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            proptest::prop_assert!(said(&text).is_some());
        }
    }
}
