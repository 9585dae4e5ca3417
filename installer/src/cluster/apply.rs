//! Server-side apply of our manifests, never forced, and what it changed.

use super::ClusterError;
use bedplate_protocol::{Finding, Severity};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::Value;

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It was there and had all our fields.
    Unchanged,
    /// It was not there.
    Created,
    /// It was there, and fields of ours differed: their paths.
    Changed(Vec<String>),
    /// Somebody else owns a field that we want to set.
    Conflict(Finding),
}

/// One object and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedObject {
    /// `ConfigMap kube-system/nvidia-device-plugin`.
    pub object: String,
    /// What became of it.
    pub applied: Applied,
}

/// Reads the documents of a manifest file.
pub fn documents(name: &str, text: &str) -> Result<Vec<Value>, ClusterError> {
    serde_saphyr::from_multiple::<Value>(text)
        .map(|documents| documents.into_iter().filter(|document| !document.is_null()).collect())
        .map_err(|e| ClusterError::Manifest(name.to_owned(), e.to_string()))
}

/// Applies one object as `manager`.
pub async fn apply(client: &Client, manager: &str, object: Value) -> Result<AppliedObject, ClusterError> {
    let wanted: DynamicObject = serde_json::from_value(object.clone())
        .map_err(|e| ClusterError::Manifest(object["metadata"]["name"].to_string(), e.to_string()))?;
    let types = wanted.types.clone().unwrap_or_default();
    let name = wanted.name_any();
    let described = match wanted.namespace() {
        Some(namespace) => format!("{} {namespace}/{name}", types.kind),
        None => format!("{} {name}", types.kind),
    };
    let api = api_for(client, &types.api_version, &types.kind, wanted.namespace().as_deref());
    let before = api
        .get_opt(&name)
        .await
        .map_err(ClusterError::api(format!("read {described}")))?;
    let applied = api
        .patch(&name, &PatchParams::apply(manager), &Patch::Apply(&object))
        .await;
    let applied = match (before, applied) {
        (_, Err(kube::Error::Api(status))) if status.code == 409 => {
            Applied::Conflict(conflict(&described, manager, &status.message))
        }
        (_, Err(source)) => return Err(ClusterError::api(format!("apply {described}"))(source)),
        (None, Ok(_)) => Applied::Created,
        (Some(before), Ok(after)) if before.resource_version() == after.resource_version() => Applied::Unchanged,
        (Some(before), Ok(after)) => {
            let before = serde_json::to_value(&before).unwrap_or_default();
            let after = serde_json::to_value(&after).unwrap_or_default();
            let changed = changed_paths(&object, &before, &after);
            // Controllers write to objects all the time: a new resource version with none of our fields changed is theirs.
            if changed.is_empty() {
                Applied::Unchanged
            } else {
                Applied::Changed(changed)
            }
        }
    };
    Ok(AppliedObject {
        object: described,
        applied,
    })
}

/// The API for a kind, by the usual plural of its name.
pub fn api_for(client: &Client, api_version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

fn conflict(object: &str, manager: &str, message: &str) -> Finding {
    Finding::new(
        Severity::Error,
        "field-conflict",
        object,
        "somebody else has set a field that bedplate sets, and bedplate never takes a field by force",
        format!("give the field back, or delete {object} and run `bedplate up` again; `kubectl get -o yaml --show-managed-fields` shows who owns what beside {manager:?}"),
    )
    .with_evidence(message.lines().next().unwrap_or_default().to_owned())
    .with_evidence(message.lines().skip(1).collect::<Vec<_>>().join(" "))
}

/// Paths of the leaves of `ours` whose value differs between `before` and `after`. `status` and server-owned metadata are not ours.
fn changed_paths(ours: &Value, before: &Value, after: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    walk(ours, before, after, String::new(), &mut paths);
    paths
}

fn walk(ours: &Value, before: &Value, after: &Value, path: String, paths: &mut Vec<String>) {
    match ours {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(value, &before[key], &after[key], path, paths);
            }
        }
        _ if before != after => paths.push(path),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_fields_of_ours_count_as_changed() {
        let ours = json!({"data": {"a": "1"}});
        let before = json!({"data": {"a": "0", "b": "x"}, "status": {"n": 1}});
        let after = json!({"data": {"a": "1", "b": "y"}, "status": {"n": 2}});
        assert_eq!(changed_paths(&ours, &before, &after), ["data.a"]);
    }

    #[test]
    fn every_manifest_of_ours_is_a_list_of_kubernetes_objects() {
        for (name, text) in [
            ("kube-flannel", crate::capabilities::network::MANIFEST),
            ("nvidia-device-plugin", crate::capabilities::gpu::MANIFEST),
        ] {
            let documents = documents(name, text).unwrap();
            assert!(!documents.is_empty());
            for document in documents {
                assert!(
                    document["kind"].is_string() && document["metadata"]["name"].is_string(),
                    "{name}: {document}"
                );
            }
        }
    }
}
