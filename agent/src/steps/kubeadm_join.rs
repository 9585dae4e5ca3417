//! This host is a node of the cluster at a known address. A node of another cluster is never taken over.

use super::{Context, State, StepError, kubeadm_init_phase};
use crate::command::Command;
use bedplate_protocol::plan::Content;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const BOOTSTRAP_CONF: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
const CA: &str = "/etc/kubernetes/pki/ca.crt";
const CURE: &str =
    "look at `journalctl -u kubelet -n 50`, then run `bedplate up` again: it makes a new token and joins again";

pub(super) fn inspect(server: &str, context: &Context<'_>) -> Result<State, StepError> {
    let wanted = format!("a node of {server}");
    if !belongs(&context.at(KUBELET_CONF), KUBELET_CONF, server)? {
        return Ok(State::differs("no node of a cluster", wanted));
    }
    if context.at(BOOTSTRAP_CONF).exists() {
        return Ok(State::differs(
            format!("joined, and {BOOTSTRAP_CONF} is still there"),
            wanted,
        ));
    }
    if !kubeadm_init_phase::kubelet_active()? {
        return Ok(State::differs("joined, and kubelet is not active", wanted));
    }
    Ok(State::Holds)
}

pub(super) fn change(config: &Content, server: &str, context: &Context<'_>) -> Result<(), StepError> {
    let bootstrap = context.at(BOOTSTRAP_CONF);
    if belongs(&context.at(KUBELET_CONF), KUBELET_CONF, server)? {
        // kubeadm was stopped after kubelet had its certificate; what is left of it is the token.
        crate::durable::remove(&bootstrap).map_err(StepError::io(&bootstrap, "removed"))?;
        if kubeadm_init_phase::kubelet_active()? {
            return Ok(());
        }
        let restart = Command::new("systemctl", ["restart", "kubelet.service"]).deadline(Duration::from_mins(2));
        return restart.run().map(drop).map_err(StepError::command(CURE));
    }
    if belongs(&bootstrap, BOOTSTRAP_CONF, server)? {
        // kubeadm was stopped before kubelet had its certificate. These two files are all that it wrote for this
        // cluster that its next attempt refuses to find (preflight FileAvailable).
        for path in [context.at(CA), bootstrap] {
            crate::durable::remove(&path).map_err(StepError::io(&path, "removed"))?;
        }
    }
    let text = context.resolve(config)?;
    let path = context.layout.runtime().join("kubeadm-join.yaml");
    crate::durable::directory(&context.layout.runtime(), 0o700).map_err(StepError::io(&path, "written"))?;
    crate::durable::write(&path, text.as_bytes(), 0o600).map_err(StepError::io(&path, "written"))?;
    let joined = Command::new("kubeadm", ["join".as_ref(), "--config".as_ref(), path.as_os_str()])
        .deadline(Duration::from_mins(5))
        .run();
    // The token goes before anything is said about the join.
    crate::durable::remove(&path).map_err(StepError::io(&path, "removed"))?;
    joined.map(drop).map_err(StepError::command(CURE))
}

/// Whether this kubeconfig is there and leads to `server`. One that leads elsewhere is an error.
fn belongs(path: &Path, name: &str, server: &str) -> Result<bool, StepError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        text => text.map_err(StepError::io(path, "read"))?,
    };
    match server_of(&text) {
        Some(found) if found == server => Ok(true),
        found => Err(StepError::Stands {
            code: "joined-elsewhere",
            message: format!(
                "this host belongs to another cluster: {name} leads to {}, not to {server}",
                found.unwrap_or("no server")
            ),
            cure: "if that cluster may lose this node: `kubectl drain` it there, then `kubeadm reset` here, then run `bedplate up` again".to_owned(),
        }),
    }
}

/// The address in a kubeconfig's `server: https://…` line; kubeadm and kubelet write one cluster a file.
fn server_of(kubeconfig: &str) -> Option<&str> {
    let line = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix("server:"))?;
    Some(
        line.trim()
            .trim_matches('"')
            .trim_start_matches("https://")
            .trim_end_matches('/'),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_another_cluster_is_named_and_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubelet.conf");
        assert!(!belongs(&path, KUBELET_CONF, "10.0.0.5:6443").unwrap());
        fs::write(
            &path,
            "clusters:\n- cluster:\n    server: https://10.0.0.5:6443\n  name: c\n",
        )
        .unwrap();
        assert!(belongs(&path, KUBELET_CONF, "10.0.0.5:6443").unwrap());
        let finding = belongs(&path, KUBELET_CONF, "10.0.0.9:6443").unwrap_err().finding("n");
        assert_eq!(finding.code, "joined-elsewhere");
        assert!(finding.remedy.contains("kubeadm reset"));
    }
}
