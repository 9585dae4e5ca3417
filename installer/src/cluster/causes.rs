//! What lies behind an error, in words for people. Called by the verbs in `cli/` and by this room's waits.

use std::error::Error;

/// The error itself where it is an API server's or HTTP's, and everything behind it, each once.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        // A source that is boxed is a box to `downcast_ref`.
        let boxed = cause.downcast_ref::<Box<kube::Error>>().map(AsRef::as_ref);
        let text = match cause.downcast_ref::<kube::Error>().or(boxed) {
            // kube prints the whole answer as Rust sees it.
            Some(kube::Error::Api(status)) => {
                let said = [status.reason.as_str(), first_line(&status.message)];
                told.push(
                    format!("{} {}", status.code, said.join(": "))
                        .trim_end_matches(": ")
                        .to_owned(),
                );
                break;
            }
            // Its own text is that of its cause behind a name of a Rust type.
            Some(kube::Error::Service(_) | kube::Error::HyperError(_)) => String::new(),
            _ => cause.to_string(),
        };
        if !text.is_empty() && !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
        next = cause.source();
    }
    told
}

/// An HTML page is no message.
fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.get(..200).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn an_answer_of_the_api_server_is_its_code_and_words_and_no_dump() {
        let status = Status::failure("nodes is forbidden: User \"a\"", "Forbidden").with_code(403);
        let error = kube::Error::Api(Box::new(status));
        assert_eq!(causes(&error), ["403 Forbidden: nodes is forbidden: User \"a\""]);
        let behind = super::super::ClusterError::api("read nodes")(error);
        assert_eq!(
            causes(&behind),
            [
                "the Kubernetes API refused to read nodes",
                "403 Forbidden: nodes is forbidden: User \"a\""
            ]
        );
    }

    #[test]
    fn what_is_behind_a_connection_is_told_once() {
        let refused = std::io::Error::other("tcp connect error");
        let error = kube::Error::Service(Box::new(refused));
        assert_eq!(causes(&error), ["tcp connect error"]);
    }
}
