//! Questions to the API server of this host, through the host's own kubectl and administrator kubeconfig.
//!
//! Called by the phases of `kubeadm init` that leave nothing on disk. It only reads.

use super::{Context, StepError};
use crate::command::Command;
use bedplate_protocol::Mode;
use std::time::Duration;

/// Where kubeadm puts it.
pub(super) const ADMIN_KUBECONFIG: &str = "/etc/kubernetes/admin.conf";
/// Four static pods on a slow machine; kubeadm's own limit is the same (`timeouts.controlPlaneComponentHealthCheck`, 4 min).
const LIMIT: Duration = Duration::from_mins(4);
const GLANCE: Duration = Duration::from_secs(10);
const CURE: &str = "look at `journalctl -u kubelet -n 50`, `ctr -n k8s.io tasks ls` and the files in /var/log/pods";

/// Whether it says that it is ready, now.
pub(super) fn ready() -> Result<(), String> {
    let output = kubectl(ADMIN_KUBECONFIG, &["get", "--raw", "/readyz"]).map_err(|error| error.to_string())?;
    if output.0 { Ok(()) } else { Err(output.1) }
}

/// Waits until it is ready; in inspect mode only as long as a person would look.
pub(super) fn wait(context: &Context<'_>) -> Result<(), StepError> {
    let limit = if context.mode == Mode::Inspect { GLANCE } else { LIMIT };
    context.wait(
        "the API server of this host",
        limit,
        Duration::from_millis(500),
        CURE,
        ready,
    )
}

/// Whether all these exist; each is the arguments of a `kubectl get`. The first that does not is named.
pub(super) fn missing(objects: &[&[&str]]) -> Result<Option<String>, StepError> {
    for object in objects {
        let args: Vec<&str> = ["get", "-o", "name"].iter().chain(object.iter()).copied().collect();
        let (there, said) = kubectl(ADMIN_KUBECONFIG, &args)?;
        if !there {
            return Ok(Some(format!("{}: {said}", object.join(" "))));
        }
    }
    Ok(None)
}

/// The name under which this host's kubelet speaks to the API server.
pub(super) fn node_name() -> Result<Option<String>, StepError> {
    let args = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let (known, said) = kubectl("/etc/kubernetes/kubelet.conf", &args)?;
    Ok(said.strip_prefix("system:node:").filter(|_| known).map(str::to_owned))
}

/// Whether the answer was good, and its last line.
pub(super) fn kubectl(kubeconfig: &str, args: &[&str]) -> Result<(bool, String), StepError> {
    let fixed = ["--kubeconfig", kubeconfig, "--request-timeout=10s"];
    let command = Command::new("kubectl", fixed.iter().chain(args)).deadline(Duration::from_secs(20));
    let output = command.output().map_err(StepError::command(CURE))?;
    let text = if output.status.success() {
        &output.stdout
    } else {
        &output.stderr
    };
    let last = text
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("no answer");
    Ok((output.status.success(), last.trim().to_owned()))
}
