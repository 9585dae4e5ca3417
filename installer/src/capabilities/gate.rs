//! What gates have in common: a namespace of their own, probe pods in it, and rollouts to wait for.

use crate::cluster::ClusterError;
use crate::cluster::apply::api_for;
use crate::cluster::wait::{Seen, until};
use bedplate_protocol::{Finding, Severity};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, LogParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a namespace of an earlier run may take to go.
const NAMESPACE_LIMIT: Duration = Duration::from_secs(90);

/// A gate's finding.
pub fn failed(gate: &str, subject: &str, seen: &str, remedy: &str) -> Finding {
    Finding::new(
        Severity::Error,
        format!("gate-{gate}"),
        subject,
        "the gate was exercised and did not pass",
        remedy,
    )
    .with_evidence(seen.trim().to_owned())
}

/// Waits until a Deployment or `DaemonSet` has all its pods available in its newest generation.
pub async fn rollout(
    client: &Client,
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
    limit: Duration,
    tell: &(dyn Fn(String) + Send + Sync),
) -> Result<(), ClusterError> {
    let api = api_for(client, api_version, kind, Some(namespace));
    until(&format!("{kind} {namespace}/{name}"), limit, tell, || async {
        let object = api.get(name).await?;
        let status = &object.data["status"];
        let number = |field: &str| status[field].as_i64().unwrap_or(0);
        let (wanted, there, updated) = match kind {
            "DaemonSet" => (
                number("desiredNumberScheduled"),
                number("numberAvailable"),
                number("updatedNumberScheduled"),
            ),
            _ => (
                object.data["spec"]["replicas"].as_i64().unwrap_or(1),
                number("availableReplicas"),
                number("updatedReplicas"),
            ),
        };
        let current = number("observedGeneration") >= object.metadata.generation.unwrap_or(0);
        Ok(if current && wanted > 0 && there >= wanted && updated >= wanted {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{there} of {wanted} available"))
        })
    })
    .await
}

/// A pod that runs once.
pub struct ProbePod(Value);

impl ProbePod {
    /// A pod on this node with this command; `$NODE` in its environment is the node's name.
    pub fn new(name: &str, node: &str, image: &str, command: &[&str]) -> Self {
        Self(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {}},
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                "nodeSelector": {"kubernetes.io/hostname": node},
                "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "probe", "image": image, "imagePullPolicy": "IfNotPresent", "command": command,
                    "env": [{"name": "NODE", "value": node}],
                    "resources": {"limits": {}}
                }]
            }
        }))
    }

    /// With this label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["labels"][key] = json!(value);
        self
    }

    /// With this many of an extended resource.
    #[must_use]
    pub fn limit(mut self, resource: &str, amount: u32) -> Self {
        self.0["spec"]["containers"][0]["resources"]["limits"][resource] = json!(amount.to_string());
        self
    }
}

/// A namespace that a gate made for itself and deletes.
pub struct Namespace {
    client: Client,
    name: String,
}

impl Namespace {
    /// Makes the namespace; one that an interrupted run left behind is deleted first.
    pub async fn open(
        client: &Client,
        name: &str,
        tell: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Self, ClusterError> {
        let space = Self {
            client: client.clone(),
            name: name.to_owned(),
        };
        let api = api_for(client, "v1", "Namespace", None);
        if api
            .get_opt(name)
            .await
            .map_err(ClusterError::api(format!("read namespace {name}")))?
            .is_some()
        {
            space.delete().await?;
            until(
                &format!("namespace {name} of an earlier run to go"),
                NAMESPACE_LIMIT,
                tell,
                || async {
                    Ok(match api.get_opt(name).await? {
                        None => Seen::Yes(()),
                        Some(_) => Seen::NotYet("it is being deleted".to_owned()),
                    })
                },
            )
            .await?;
        }
        let object: DynamicObject = object(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "bedplate"}}}))?;
        api.create(&PostParams::default(), &object)
            .await
            .map_err(ClusterError::api(format!("make namespace {name}")))?;
        // Pods are refused until the namespace has its default service account.
        let accounts = api_for(client, "v1", "ServiceAccount", Some(name));
        until(
            &format!("the service account of namespace {name}"),
            NAMESPACE_LIMIT,
            tell,
            || async {
                Ok(match accounts.get_opt("default").await? {
                    Some(_) => Seen::Yes(()),
                    None => Seen::NotYet("not there".to_owned()),
                })
            },
        )
        .await?;
        Ok(space)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a pod.
    pub async fn start(&self, pod: &ProbePod) -> Result<(), ClusterError> {
        self.create(pod.0.clone()).await
    }

    /// Makes any namespaced object.
    pub async fn create(&self, value: Value) -> Result<(), ClusterError> {
        let described = format!(
            "{} {}",
            value["kind"].as_str().unwrap_or_default(),
            value["metadata"]["name"].as_str().unwrap_or_default()
        );
        let (version, kind) = (
            value["apiVersion"].as_str().unwrap_or("v1").to_owned(),
            value["kind"].as_str().unwrap_or_default().to_owned(),
        );
        let api = api_for(&self.client, &version, &kind, Some(&self.name));
        api.create(&PostParams::default(), &object(value)?)
            .await
            .map_err(ClusterError::api(format!("make {described}")))?;
        Ok(())
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Waits until the pod runs.
    pub async fn running(
        &self,
        name: &str,
        limit: Duration,
        tell: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Pod, ClusterError> {
        let api = self.pods();
        until(&format!("pod {}/{name} to run", self.name), limit, tell, || async {
            let pod = api.get(name).await?;
            Ok(if phase(&pod) == "Running" {
                Seen::Yes(pod)
            } else {
                Seen::NotYet(state(&pod))
            })
        })
        .await
    }

    /// Waits until the pod has ended; whether it succeeded, and what it wrote.
    pub async fn ended(
        &self,
        name: &str,
        limit: Duration,
        tell: &(dyn Fn(String) + Send + Sync),
    ) -> Result<(bool, String), ClusterError> {
        let api = self.pods();
        let succeeded = until(&format!("pod {}/{name} to end", self.name), limit, tell, || async {
            let pod = api.get(name).await?;
            Ok(match phase(&pod) {
                "Succeeded" => Seen::Yes(true),
                "Failed" => Seen::Yes(false),
                _ => Seen::NotYet(state(&pod)),
            })
        })
        .await?;
        Ok((succeeded, self.log(name).await?))
    }

    /// What a pod has written so far.
    pub async fn log(&self, name: &str) -> Result<String, ClusterError> {
        self.pods()
            .logs(name, &LogParams::default())
            .await
            .map_err(ClusterError::api(format!("read the log of pod {name}")))
    }

    /// Deletes the namespace; the API finishes in its own time.
    pub async fn close(self) -> Result<(), ClusterError> {
        self.delete().await
    }

    async fn delete(&self) -> Result<(), ClusterError> {
        let api = api_for(&self.client, "v1", "Namespace", None);
        api.delete(&self.name, &DeleteParams::default())
            .await
            .map_err(ClusterError::api(format!("delete namespace {}", self.name)))?;
        Ok(())
    }
}

fn object(value: Value) -> Result<DynamicObject, ClusterError> {
    serde_json::from_value(value).map_err(|e| ClusterError::Manifest("gate".to_owned(), e.to_string()))
}

fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending")
}

/// What a pod is waiting for, as far as its status tells.
fn state(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|container| container.state.clone()?.waiting);
    let waiting = waiting.map(|w| format!("{} {}", w.reason.unwrap_or_default(), w.message.unwrap_or_default()));
    let unschedulable = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.status == "False")
        .and_then(|c| c.message.clone());
    format!(
        "{} {}",
        phase(pod),
        waiting.or(unschedulable).or(status.message).unwrap_or_default()
    )
}
