//! The kernel as Kubernetes and flannel need it. Called by the room's `mod`.

use bedplate_protocol::{StepKind, StepSpec};

/// kubernetes.io, "Container Runtimes" (v1.36): `overlay` for containerd's snapshots, `br_netfilter` so that kube-proxy sees
/// bridged packets; flannel's default back end is `vxlan` (flannel v0.28.4, Documentation/backends.md).
const MODULES: &[&str] = &["overlay", "br_netfilter", "vxlan"];

/// kubeadm's preflight refuses a host without `ip_forward` (v1.36, `FileContent--proc-sys-net-ipv4-ip_forward`);
/// `bridge-nf-call-iptables` lets kube-proxy's rules see packets between pods of one host, whose bridge flannel makes. What kubelet wants beyond (`vm.overcommit_memory`, `kernel.panic`, …) it
/// sets itself, for `protectKernelDefaults` is false by default (`setupKernelTunables`, pkg/kubelet/cm, v1.36).
const SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv4.ip_forward", "1"),
    ("net.bridge.bridge-nf-call-iptables", "1"),
];

pub(super) fn steps() -> Vec<StepSpec> {
    let mut steps = vec![StepSpec::new(StepKind::SwapOff)];
    steps.extend(MODULES.iter().map(|name| {
        StepSpec::new(StepKind::KernelModule {
            name: (*name).to_owned(),
        })
    }));
    steps.extend(SYSCTLS.iter().map(|(key, value)| {
        StepSpec::new(StepKind::Sysctl {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        })
    }));
    steps
}
