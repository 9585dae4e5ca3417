//! One phase of `kubeadm init`, told done or not by what it leaves on this host or in the API.
//!
//! The phases and what each leaves: `kubeadm init phase --help` and cmd/kubeadm/app/cmd/phases/init of Kubernetes v1.36.3.

use super::{Context, State, StepError, kubernetes_api};
use crate::command::Command;
use std::fs;
use std::time::Duration;

const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const CLIENT_PEM: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const CURE: &str = "look at `journalctl -u kubelet -n 50`; then run `bedplate up` again: it goes on with this phase";

/// What a phase leaves.
enum Proof {
    /// These files.
    Files(&'static [&'static str]),
    /// These files, and kubelet runs.
    Kubelet(&'static [&'static str]),
    /// The API server is ready.
    Ready,
    /// These objects.
    Objects(&'static [&'static [&'static str]]),
    /// The role label on this node.
    ControlPlaneLabel,
    /// kubelet's kubeconfig names the certificate that it rotates.
    RotatedCertificate,
}

fn proof(phase: &str) -> Option<Proof> {
    Some(match phase {
        "certs all" => Proof::Files(&[
            "/etc/kubernetes/pki/ca.crt",
            "/etc/kubernetes/pki/ca.key",
            "/etc/kubernetes/pki/apiserver.crt",
            "/etc/kubernetes/pki/apiserver.key",
            "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
            "/etc/kubernetes/pki/apiserver-kubelet-client.key",
            "/etc/kubernetes/pki/front-proxy-ca.crt",
            "/etc/kubernetes/pki/front-proxy-ca.key",
            "/etc/kubernetes/pki/front-proxy-client.crt",
            "/etc/kubernetes/pki/front-proxy-client.key",
            "/etc/kubernetes/pki/etcd/ca.crt",
            "/etc/kubernetes/pki/etcd/ca.key",
            "/etc/kubernetes/pki/etcd/server.crt",
            "/etc/kubernetes/pki/etcd/server.key",
            "/etc/kubernetes/pki/etcd/peer.crt",
            "/etc/kubernetes/pki/etcd/peer.key",
            "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
            "/etc/kubernetes/pki/etcd/healthcheck-client.key",
            "/etc/kubernetes/pki/apiserver-etcd-client.crt",
            "/etc/kubernetes/pki/apiserver-etcd-client.key",
            "/etc/kubernetes/pki/sa.key",
            "/etc/kubernetes/pki/sa.pub",
        ]),
        "kubeconfig all" => Proof::Files(&[
            "/etc/kubernetes/admin.conf",
            "/etc/kubernetes/super-admin.conf",
            KUBELET_CONF,
            "/etc/kubernetes/controller-manager.conf",
            "/etc/kubernetes/scheduler.conf",
        ]),
        "etcd local" => Proof::Files(&["/etc/kubernetes/manifests/etcd.yaml"]),
        "control-plane all" => Proof::Files(&[
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            "/etc/kubernetes/manifests/kube-controller-manager.yaml",
            "/etc/kubernetes/manifests/kube-scheduler.yaml",
        ]),
        "kubelet-start" => Proof::Kubelet(&["/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env"]),
        "wait-control-plane" => Proof::Ready,
        "upload-config all" => Proof::Objects(&[
            &["-n", "kube-system", "configmap", "kubeadm-config"],
            &["-n", "kube-system", "configmap", "kubelet-config"],
        ]),
        "upload-config kubeadm" => Proof::Objects(&[&["-n", "kube-system", "configmap", "kubeadm-config"]]),
        "upload-config kubelet" => Proof::Objects(&[&["-n", "kube-system", "configmap", "kubelet-config"]]),
        "mark-control-plane" => Proof::ControlPlaneLabel,
        "bootstrap-token" => Proof::Objects(&[
            &["clusterrolebinding", "kubeadm:get-nodes"],
            &["clusterrolebinding", "kubeadm:kubelet-bootstrap"],
            &["clusterrolebinding", "kubeadm:node-autoapprove-bootstrap"],
            &["clusterrolebinding", "kubeadm:node-autoapprove-certificate-rotation"],
            &["-n", "kube-public", "configmap", "cluster-info"],
            &[
                "-n",
                "kube-public",
                "rolebinding",
                "kubeadm:bootstrap-signer-clusterinfo",
            ],
        ]),
        "kubelet-finalize all" => Proof::RotatedCertificate,
        "addon all" => Proof::Objects(&[
            &["-n", "kube-system", "deployment", "coredns"],
            &["-n", "kube-system", "daemonset", "kube-proxy"],
        ]),
        "addon coredns" => Proof::Objects(&[&["-n", "kube-system", "deployment", "coredns"]]),
        "addon kube-proxy" => Proof::Objects(&[&["-n", "kube-system", "daemonset", "kube-proxy"]]),
        _ => return None,
    })
}

pub(super) fn unsupported(phase: &str) -> Option<String> {
    proof(phase)
        .is_none()
        .then(|| format!("the phase {phase:?} of kubeadm init is not one whose end this agent can tell"))
}

pub(super) fn inspect(phase: &str, context: &Context<'_>) -> Result<State, StepError> {
    let Some(proof) = proof(phase) else {
        return Err(StepError::Stands {
            code: "kubeadm-phase",
            message: unsupported(phase).unwrap_or_default(),
            cure: "use the installer and the agent of one release".to_owned(),
        });
    };
    let wanted = format!("kubeadm init phase {phase} done");
    let seen = match proof {
        Proof::Files(files) => absent(files, context),
        Proof::Kubelet(files) => match absent(files, context) {
            None if !kubelet_active()? => Some("kubelet is not active".to_owned()),
            seen => seen,
        },
        Proof::RotatedCertificate => rotation(context)?,
        Proof::Ready => started(context).or_else(|| kubernetes_api::ready().err()),
        Proof::Objects(objects) => {
            let seen = started(context);
            if seen.is_none() {
                kubernetes_api::wait(context)?;
                kubernetes_api::missing(objects)?
            } else {
                seen
            }
        }
        Proof::ControlPlaneLabel => {
            let seen = started(context);
            if seen.is_none() {
                kubernetes_api::wait(context)?;
                label()?
            } else {
                seen
            }
        }
    };
    Ok(seen.map_or(State::Holds, |seen| State::differs(seen, wanted)))
}

pub(super) fn change(phase: &str, config: &str, context: &Context<'_>) -> Result<(), StepError> {
    match proof(phase) {
        // The phase of this name takes no configuration when it is called alone (v1.36.3) and would only wait as we do.
        Some(Proof::Ready) => return kubernetes_api::wait(context),
        Some(Proof::Objects(_) | Proof::ControlPlaneLabel) => kubernetes_api::wait(context)?,
        Some(Proof::RotatedCertificate) => {
            // Without this file the phase does nothing and says nothing.
            let pem = context.at(CLIENT_PEM);
            let limit = Duration::from_mins(1);
            context.wait(
                "kubelet's own client certificate",
                limit,
                Duration::from_millis(250),
                CURE,
                || {
                    if pem.exists() {
                        Ok(())
                    } else {
                        Err(format!("{CLIENT_PEM} does not exist"))
                    }
                },
            )?;
        }
        Some(Proof::Files(_) | Proof::Kubelet(_)) | None => {}
    }
    let mut args = vec!["init", "phase"];
    args.extend(phase.split_whitespace());
    args.extend(["--config", config]);
    if phase == "bootstrap-token" {
        // What is printed may become evidence of a failure.
        args.push("--skip-token-print");
    }
    let kubeadm = Command::new("kubeadm", args).deadline(Duration::from_mins(5));
    kubeadm.run().map(drop).map_err(StepError::command(CURE))
}

fn absent(files: &[&str], context: &Context<'_>) -> Option<String> {
    files
        .iter()
        .find(|path| !context.at(path).exists())
        .map(|path| format!("{path} does not exist"))
}

/// Before these exist there is no API server to wait for.
fn started(context: &Context<'_>) -> Option<String> {
    absent(
        &[
            kubernetes_api::ADMIN_KUBECONFIG,
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
        ],
        context,
    )
}

pub(super) fn kubelet_active() -> Result<bool, StepError> {
    let asked = Command::new("systemctl", ["is-active", "--quiet", "kubelet.service"]).output();
    Ok(asked
        .map_err(StepError::command("look at `systemctl status kubelet`"))?
        .status
        .success())
}

fn rotation(context: &Context<'_>) -> Result<Option<String>, StepError> {
    let path = context.at(KUBELET_CONF);
    if !path.exists() {
        return Ok(Some(format!("{KUBELET_CONF} does not exist")));
    }
    let text = fs::read_to_string(&path).map_err(StepError::io(&path, "read"))?;
    Ok((!text.contains(CLIENT_PEM)).then(|| format!("{KUBELET_CONF} does not name {CLIENT_PEM}")))
}

fn label() -> Result<Option<String>, StepError> {
    let Some(name) = kubernetes_api::node_name()? else {
        return Ok(Some("the API server does not know this host's kubelet".to_owned()));
    };
    let path = "jsonpath={.metadata.labels}";
    let (known, labels) =
        kubernetes_api::kubectl(kubernetes_api::ADMIN_KUBECONFIG, &["get", "node", &name, "-o", path])?;
    let marked = known && labels.contains("node-role.kubernetes.io/control-plane");
    Ok((!marked).then(|| format!("node {name} has no label node-role.kubernetes.io/control-plane")))
}
