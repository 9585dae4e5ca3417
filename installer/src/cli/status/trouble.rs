//! Why the cluster's nodes could not be read, told apart by what cures it. Pure. Called by the verb `status`.

use crate::cluster::{ClusterError, causes};
use bedplate_protocol::{Finding, Severity};
use std::path::Path;

/// The kubeconfig's file cannot be read.
pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Finding {
    let cure = match error.kind() {
        std::io::ErrorKind::PermissionDenied => format!("run it as the user who may read {}", file.display()),
        _ => "name it with --kubeconfig FILE; `bedplate up` writes ./kubeconfig".to_owned(),
    };
    let message = format!("the kubeconfig cannot be read: {error}");
    Finding::new(
        Severity::Error,
        "kubeconfig-unreadable",
        file.display().to_string(),
        message,
        cure,
    )
}

/// The file can be read and is no kubeconfig that names a cluster and a user.
pub(super) fn unusable(file: &Path, error: &ClusterError) -> Finding {
    let finding = Finding::new(
        Severity::Error,
        "kubeconfig-unusable",
        file.display().to_string(),
        "the file is no kubeconfig that can be used",
        "name the kubeconfig of the cluster with --kubeconfig FILE; `bedplate up` writes ./kubeconfig",
    );
    match error {
        ClusterError::Kubeconfig(why) => finding.with_evidence(why),
        other => causes(other).into_iter().fold(finding, Finding::with_evidence),
    }
}

/// The API server's answer, or that there was none.
pub(super) fn of(error: &kube::Error, file: &Path, server: &str) -> Finding {
    let (code, message, cure) = match error {
        kube::Error::Api(status) if status.code == 401 => (
            "api-unauthorized",
            format!("the API server at {server} does not know the user of {}: 401 Unauthorized", file.display()),
            "its certificate or token has expired, or is of another cluster; `bedplate up` fetches a fresh one".to_owned(),
        ),
        kube::Error::Api(status) if status.code == 403 => (
            "api-forbidden",
            format!("the API server at {server} does not let the user of {} read nodes: 403 Forbidden", file.display()),
            "use the kubeconfig that `bedplate up` wrote, or let that user `get`, `list` and `watch` nodes".to_owned(),
        ),
        // kube's own word for an answer that is not a Status (kube-client 5.0.0, src/client/mod.rs, handle_api_errors).
        kube::Error::Api(status) if status.reason == "Failed to parse error data" => not_kubernetes(server, status.code),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => not_kubernetes(server, 200),
        kube::Error::Api(status) => (
            "api-refused",
            format!("the API server at {server} answers {} {}", status.code, status.reason),
            format!(
                "what it says of itself: kubectl --kubeconfig {} get --raw '/readyz?verbose'",
                file.display()
            ),
        ),
        // rustls' own words; its error type is not in what kube passes on.
        other if causes(other).iter().any(|cause| cause.contains("invalid peer certificate")) => (
            "api-certificate",
            format!(
                "what answers at {server} shows a certificate that cannot be verified with the authority in {}",
                file.display()
            ),
            "the cluster was made anew, or something else answers there: `bedplate up` fetches its kubeconfig; or name the right \
             one with --kubeconfig FILE"
                .to_owned(),
        ),
        other if causes(other).iter().any(|cause| cause.contains("InvalidContentType")) => not_kubernetes(server, 0),
        _ => (
            "api-unreachable",
            format!("nothing answers at {server}"),
            "look whether the control-plane node is on and this machine reaches it: ssh to it and `systemctl status kubelet \
             containerd`"
                .to_owned(),
        ),
    };
    let finding = Finding::new(Severity::Error, code, "cluster", message, cure);
    causes(error).into_iter().fold(finding, Finding::with_evidence)
}

fn not_kubernetes(server: &str, code: u16) -> (&'static str, String, String) {
    let answer = match code {
        0 => "and does not speak TLS".to_owned(),
        code => format!("with {code} and something that is no answer of Kubernetes"),
    };
    (
        "api-not-kubernetes",
        format!("what is at {server} answers {answer}"),
        "a proxy or another service is there: correct `server:` in the kubeconfig, or name the right one with --kubeconfig FILE"
            .to_owned(),
    )
}

/// Nobody answered in time.
pub(super) fn timed_out(server: &str, seconds: u64) -> Finding {
    Finding::new(
        Severity::Error,
        "api-unreachable",
        "cluster",
        format!("what is at {server} has not answered within {seconds} s"),
        "look at the control-plane node: ssh to it and `systemctl status kubelet containerd`",
    )
}
