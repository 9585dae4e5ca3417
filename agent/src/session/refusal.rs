//! Answers that say no: what an installer hears when a request is not understood or cannot be done.

use super::error;
use bedplate_protocol::frame::FrameError;
use bedplate_protocol::{Finding, Response, StepSpec};
use serde_json::Value;

const ONE_RELEASE: &str = "use the agent and the installer of one release";

/// One finding as an answer.
pub(super) fn refusal(code: &str, message: String, remedy: &str) -> Response {
    Response::Refused {
        findings: vec![error(code, message, remedy)],
    }
}

/// Why this body is no request: each step of a plan that this agent does not know by its kind, else what JSON says. The
/// body is never repeated: it may hold values.
pub(super) fn unreadable(body: &[u8], reason: &FrameError) -> Vec<Finding> {
    let findings = serde_json::from_slice::<Value>(body)
        .map(|request| unknown_steps(&request))
        .unwrap_or_default();
    if !findings.is_empty() {
        return findings;
    }
    let kind = serde_json::from_slice::<Value>(body).ok();
    let kind = kind
        .as_ref()
        .and_then(|request| request["request"].as_str())
        .unwrap_or("no request")
        .to_owned();
    let finding = error(
        "request",
        format!("a request ({kind}) was not understood: {reason}"),
        ONE_RELEASE,
    );
    if kind == "values" {
        return vec![finding];
    }
    let source = std::error::Error::source(reason).map(ToString::to_string);
    vec![source.into_iter().fold(finding, Finding::with_evidence)]
}

fn unknown_steps(request: &Value) -> Vec<Finding> {
    let steps = request["plan"]["steps"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let unknown = steps
        .iter()
        .filter(|step| serde_json::from_value::<StepSpec>((*step).clone()).is_err());
    let message = |step: &Value| {
        let (id, kind) = (
            step["id"].as_str().unwrap_or("without an id"),
            step["kind"].as_str().unwrap_or("none"),
        );
        format!("step {id} is of kind {kind:?}, which this agent does not know in this form")
    };
    unknown
        .map(|step| error("plan-step-kind", message(step), ONE_RELEASE))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedplate_protocol::{Request, frame};

    #[test]
    fn a_step_of_an_unknown_kind_is_named() {
        let body = br#"{"request":"apply","plan":{"steps":[{"id":"swap-off:all","kind":"swap-off"},{"id":"x:y","kind":"teleport"}]}}"#;
        let error = frame::decode::<Request>(body).unwrap_err();
        let findings = unreadable(body, &error);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("\"teleport\""), "{}", findings[0]);
    }

    #[test]
    fn values_that_are_not_understood_are_not_repeated() {
        let body = br#"{"request":"values","run":"r","values":"hunter2hunter2"}"#;
        let error = frame::decode::<Request>(body).unwrap_err();
        assert!(!format!("{:?}", unreadable(body, &error)).contains("hunter2"));
    }
}
