//! kubelet's unit and kubeadm's drop-in for it. Its configuration is kubeadm's to write. Called by the room's `mod`.

use super::software::directory;
use bedplate_protocol::plan::Content;
use bedplate_protocol::{StepKind, StepSpec};

/// `kubelet.service` of Kubernetes' packages (kubernetes/release, cmd/krel/templates/latest/kubelet), with the program where
/// the artifact index puts it, and after containerd.
const UNIT: &str = include_str!("kubelet.service");

/// `10-kubeadm.conf` of Kubernetes' packages (kubernetes/release, cmd/krel/templates/latest/kubeadm), with the program where
/// the artifact index puts it.
const DROP_IN: &str = include_str!("10-kubeadm.conf");

const DROP_IN_PATH: &str = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf";

pub(super) fn steps() -> Vec<StepSpec> {
    vec![
        directory("/etc/kubernetes"),
        directory("/etc/systemd/system/kubelet.service.d"),
        // Before the unit, so that the unit's step makes systemd read both.
        StepSpec::new(StepKind::File {
            path: DROP_IN_PATH.to_owned(),
            mode: 0o644,
            content: Content::text(DROP_IN),
        }),
        StepSpec::new(StepKind::Unit {
            name: "kubelet.service".to_owned(),
            content: UNIT.to_owned(),
            restart_on: vec![DROP_IN_PATH.to_owned(), "/usr/local/bin/kubelet".to_owned()],
            // Until kubeadm has written its configuration it can only fail and be started again.
            active: false,
        }),
    ]
}
