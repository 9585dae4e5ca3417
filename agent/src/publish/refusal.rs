//! What a failed request means, and its cure: an API server that is away is told apart from one that refuses. Called by
//! [`super::api`]; the whole of an attempt is [`super::attempts`]'.

use super::api::DEADLINE;
use super::token::TokenError;
use std::path::PathBuf;
use std::time::Duration;

/// What is kept of a refusal's words, in characters.
const MESSAGE: usize = 512;

/// Why an attempt to publish did not go through.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl PublishError {
    /// Every [`PublishError::label`], so that each is counted from 0.
    pub(super) const REASONS: [&str; 10] = [
        "token",
        "configuration",
        "unreachable",
        "timeout",
        "unauthorized",
        "forbidden",
        "not_found",
        "conflict",
        "refused",
        "malformed",
    ];

    /// One word, for counting.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Api(error) => error.label(),
        }
    }

    /// How long the API server asked to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(_) => None,
            Self::Api(error) => error.retry_after(),
        }
    }
}

/// Why a request did nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The address or the certificate of the configuration.
    #[error("the API server's address or {ca} cannot be used: {cause}; correct `kubernetes` in the agent's configuration", ca = .ca.display())]
    Configuration {
        /// The certificate authority's file.
        ca: PathBuf,
        /// Why.
        cause: String,
    },
    /// No connection, or one that broke.
    #[error("cannot {what}: the API server cannot be reached: {cause}; the agent goes on trying")]
    Unreachable {
        /// What was asked for.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// No answer.
    #[error("cannot {what}: no answer from the API server in {} s; the agent goes on trying", DEADLINE.as_secs())]
    TimedOut {
        /// What was asked for.
        what: &'static str,
    },
    /// 401.
    #[error(
        "cannot {what}: the API server does not accept the token (401): it has expired, or its Node object was made anew; run \
         `bedplate up`, which delivers a new one"
    )]
    Unauthorized {
        /// What was asked for.
        what: &'static str,
    },
    /// 403.
    #[error(
        "the API server does not let this agent {what} (403): {message}; apply manifests/agent of this version, or correct \
         nodeName if the token is another node's"
    )]
    Forbidden {
        /// What was asked for.
        what: &'static str,
        /// The API server's words.
        message: String,
    },
    /// 404.
    #[error(
        "cannot {what}: it is not there (404): {message}; see that kubelet has registered this node under nodeName, and apply manifests/agent"
    )]
    NotFound {
        /// What was asked for.
        what: &'static str,
        /// The API server's words.
        message: String,
    },
    /// 409.
    #[error(
        "cannot {what}: somebody else has changed it or owns a field of it (409): {message}; `kubectl get -o yaml \
         --show-managed-fields` shows who, and what is not given back is left to them"
    )]
    Conflict {
        /// What was asked for.
        what: &'static str,
        /// The API server's words.
        message: String,
    },
    /// Any other answer.
    #[error("cannot {what}: the API server answers {code}: {message}; the agent goes on trying")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// HTTP's status code.
        code: u16,
        /// The API server's words.
        message: String,
        /// How long it wants to be left alone, in seconds.
        retry_after: Option<u32>,
    },
    /// An answer that is not what was asked for. Its text is not kept: it may hold a token.
    #[error("cannot {what}: the answer is not what Kubernetes answers; see what listens at the API server's address")]
    Malformed {
        /// What was asked for.
        what: &'static str,
    },
}

impl ApiError {
    /// One word, for counting.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Configuration { .. } => "configuration",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timeout",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound { .. } => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::Refused { .. } => "refused",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// How long the API server asked to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            _ => None,
        }
    }

    /// What `kube` makes of an answer, or of none.
    pub(super) fn of(what: &'static str, error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unreachable {
                what,
                cause: causes(&error),
            };
        };
        let message = shortened(&status.message);
        match status.code {
            401 => Self::Unauthorized { what },
            403 => Self::Forbidden { what, message },
            404 => Self::NotFound { what, message },
            409 => Self::Conflict { what, message },
            code => Self::Refused {
                what,
                code,
                message,
                retry_after: status
                    .details
                    .map(|details| details.retry_after_seconds)
                    .filter(|seconds| *seconds > 0),
            },
        }
    }
}

/// What an error and the errors beneath it say, each once.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        next = cause.source();
    }
    shortened(&said)
}

fn shortened(text: &str) -> String {
    let one_line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, message: &str) -> ApiError {
        let status: kube::core::Status =
            serde_json::from_value(serde_json::json!({"code": code, "message": message})).unwrap();
        ApiError::of("write the node's conditions", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn each_refusal_has_a_cure_of_its_own() {
        let told: Vec<(u16, &str, &str)> = vec![
            (401, "unauthorized", "run `bedplate up`"),
            (403, "forbidden", "apply manifests/agent"),
            (404, "not_found", "kubelet has registered this node"),
            (409, "conflict", "--show-managed-fields"),
            (500, "refused", "goes on trying"),
        ];
        for (code, label, cure) in told {
            let error = answered(code, "words");
            assert_eq!(error.label(), label);
            assert!(PublishError::REASONS.contains(&label));
            assert!(error.to_string().contains(cure), "{error}");
        }
    }

    #[test]
    fn what_an_api_server_says_is_kept_to_a_line_of_bounded_length() {
        let error = answered(403, &"a\nb".repeat(10_000)).to_string();
        assert!(error.len() < MESSAGE + 300 && !error.contains('\n'), "{}", error.len());
    }
}
