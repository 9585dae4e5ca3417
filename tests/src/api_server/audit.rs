//! What the API server's audit log says. Called by whole-system tests.

use super::ApiServer;
use serde_json::Value;

impl ApiServer {
    /// What a user wrote and was allowed to: verb, resource with subresource, and name.
    pub fn writes_of(&self, user: &str) -> Vec<String> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let written = self.written_by(user).into_iter().map(|event| {
            let object = &event["objectRef"];
            let resource = [word(&object["resource"]), word(&object["subresource"])].join("/");
            let resource = resource.trim_end_matches('/');
            format!("{} {resource} {}", word(&event["verb"]), word(&object["name"]))
        });
        written.collect()
    }

    /// The token of a user's last write, by its `jti` claim (`authentication.kubernetes.io/credential-id` in the user's extra,
    /// kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin, read 2026-11-21).
    pub fn last_credential_of(&self, user: &str) -> Option<String> {
        let last = self.written_by(user).pop()?;
        let id = last["user"]["extra"]["authentication.kubernetes.io/credential-id"][0].as_str()?;
        Some(id.trim_start_matches("JTI=").to_owned())
    }

    fn written_by(&self, user: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("audit.jsonl")).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events
            .filter(|event| event["stage"] == "ResponseComplete" && event["user"]["username"] == user)
            .filter(|event| !matches!(event["verb"].as_str(), Some("get" | "list" | "watch")))
            .filter(|event| event["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300))
            .collect()
    }
}
