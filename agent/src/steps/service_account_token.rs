//! A service account's token in a file: bound to this node, and alive for a while yet.
//!
//! Who uses the token renews it into a file of its own, so `inspect` is content with either, reads their claims and never compares
//! them. It does not verify the signature: the API server does, at every request. Never shows a token, whole or in part.

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

pub(super) fn inspect(
    path: &str,
    renewed: &str,
    claims: &TokenClaims,
    context: &Context<'_>,
) -> Result<State, StepError> {
    let wanted = format!(
        "a token of {}/{} that is bound to node {}",
        claims.namespace, claims.service_account, claims.node
    );
    let delivered = read(path, context)?;
    let renewed = read(renewed, context)?;
    // A token that others can read is to be replaced, whatever else there is.
    for bits in [&delivered, &renewed].into_iter().filter_map(|file| file.mode) {
        if bits != MODE {
            return Ok(State::differs(format!("mode {bits:04o}"), format!("mode {MODE:04o}")));
        }
    }
    let now = Timestamp::now();
    let why = |file: &TokenFile| match &file.text {
        Some(text) => difference(text, claims, now),
        None => Some("no such file".to_owned()),
    };
    Ok(match (why(&delivered), why(&renewed)) {
        (None, _) | (_, None) => State::Holds,
        (Some(difference), _) => State::differs(difference, wanted),
    })
}

/// A file that may be there.
struct TokenFile {
    text: Option<String>,
    mode: Option<u32>,
}

fn read(path: &str, context: &Context<'_>) -> Result<TokenFile, StepError> {
    let place = context.at(path);
    let text = match fs::read(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TokenFile { text: None, mode: None }),
        // What is no text is no token.
        text => String::from_utf8_lossy(&text.map_err(StepError::io(&place, "read"))?).into_owned(),
    };
    let metadata = fs::metadata(&place).map_err(StepError::io(&place, "read"))?;
    Ok(TokenFile {
        text: Some(text),
        mode: Some(metadata.permissions().mode() & 0o7777),
    })
}

pub(super) fn change(path: &str, renewed: &str, token: &Content, context: &Context<'_>) -> Result<(), StepError> {
    if read(renewed, context)?.mode.is_some_and(|bits| bits != MODE) {
        let place = context.at(renewed);
        crate::durable::remove(&place).map_err(StepError::io(&place, "removed"))?;
    }
    let place = context.at(path);
    if let Some(parent) = place.parent() {
        crate::durable::directory(parent, 0o755).map_err(StepError::io(parent, "created"))?;
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
    use crate::apply::Layout;
    use crate::store::ArtifactStore;
    use crate::values::Values;
    use bedplate_protocol::{Mode, RunId};

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

    const DELIVERED: &str = "/etc/agent-token";
    const RENEWED: &str = "/var/lib/agent/token";

    #[test]
    fn a_renewed_token_is_as_good_as_a_delivered_one_and_one_that_others_can_read_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let context = Context {
            layout: &layout,
            mode: Mode::Change,
            values: &Values::load(&layout, &RunId::new("r1").unwrap()).unwrap(),
            store: &ArtifactStore::new(layout.artifacts()),
            waiting: &|_, _| (),
        };
        let far = Timestamp::now().as_second() + 24 * 3600;
        let look = || inspect(DELIVERED, RENEWED, &claims(), &context).unwrap();
        let deliver = |expires| {
            let token = Content::text(token("a1", "gpu-1", "n1", expires));
            change(DELIVERED, RENEWED, &token, &context).unwrap();
        };
        assert!(matches!(look(), State::Differs { .. }), "there is none");
        deliver(far);
        assert!(matches!(look(), State::Holds));
        deliver(1000);
        assert!(matches!(look(), State::Differs { .. }), "it has expired");
        let renewed = context.at(RENEWED);
        crate::durable::directory(renewed.parent().unwrap(), 0o700).unwrap();
        crate::durable::write(&renewed, token("a1", "gpu-1", "n1", far).as_bytes(), 0o600).unwrap();
        assert!(matches!(look(), State::Holds));
        fs::set_permissions(&renewed, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(look(), State::Differs { .. }), "its group can read it");
        deliver(far);
        assert!(matches!(look(), State::Holds));
        assert!(!renewed.exists());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            proptest::prop_assert!(said(&text).is_some());
        }
    }
}
