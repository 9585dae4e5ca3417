//! Judges what was read of a host against what the cluster file wants of it, before anything is changed.
//!
//! Pure: facts and clock offset come in, findings go out. One check a file; each is a function from facts to findings.
//! Called by the verbs in `cli/`. The numbers in the checks' names are those of the project's list of preflight checks.

mod agent_codes;
mod cgroup;
mod clock;
mod container_software;
mod disk;
mod driver_flavour;
mod driver_owner;
mod gpu_on_pci;
mod kernel_headers;
mod library_version;
mod nouveau;
mod secure_boot;
mod swap;

use crate::config::{ClusterSpec, NodeSpec};
use bedplate_protocol::{Finding, NodeFacts, Severity};
use jiff::SignedDuration;

/// Every code that a report about a host can have and a cluster file can accept: those of [`CODES`], and those of the agent's
/// verdict, where `*` at the end stands for any rest.
pub fn codes() -> Vec<String> {
    let own = CODES.iter().map(|(code, _, _)| (*code).to_owned());
    own.chain(agent_codes::read()).collect()
}

/// Every code that [`judge`] can give, its weight, and what it says. `docs/findings.md` is made from this.
pub const CODES: &[(&str, Severity, &str)] = &[
    (
        "gpu-not-on-pci",
        Severity::Error,
        "Fewer NVIDIA GPUs on PCI than `expect.gpus` asks for.",
    ),
    (
        "gpu-not-expected",
        Severity::Warning,
        "The host has NVIDIA GPUs and the cluster file expects none: they stay unused.",
    ),
    (
        "driver-flavour",
        Severity::Error,
        "The kernel module's flavour (open, proprietary) cannot drive this GPU generation.",
    ),
    (
        "nouveau-active",
        Severity::Error,
        "nouveau is loaded or drives a GPU: NVIDIA's driver cannot.",
    ),
    (
        "secure-boot",
        Severity::Error,
        "Module signatures are enforced and no NVIDIA module is loaded: an unsigned one will be refused.",
    ),
    (
        "secure-boot-unknown",
        Severity::Warning,
        "A UEFI host whose Secure Boot state cannot be read.",
    ),
    (
        "kernel-headers-missing",
        Severity::Warning,
        "No headers of the running kernel: no driver can be built for it. An error while no driver is loaded.",
    ),
    (
        "driver-missing",
        Severity::Error,
        "A GPU host without NVIDIA's kernel module.",
    ),
    (
        "driver-not-loaded",
        Severity::Error,
        "NVIDIA's library is installed and its kernel module is not loaded.",
    ),
    (
        "driver-in-container",
        Severity::Error,
        "The driver belongs to the GPU Operator's container, not to the host.",
    ),
    (
        "driver-library-missing",
        Severity::Error,
        "The kernel module is loaded and `libnvidia-ml.so.1` is not installed.",
    ),
    (
        "driver-library-mismatch",
        Severity::Error,
        "Kernel module and library have different versions: NVML refuses.",
    ),
    (
        "container-toolkit-missing",
        Severity::Warning,
        "No nvidia-ctk on a GPU host.",
    ),
    (
        "cdi-missing",
        Severity::Warning,
        "No CDI specification for GPUs on the host.",
    ),
    (
        "swap-enabled",
        Severity::Warning,
        "Swap is in use or would be after a boot; `bedplate up` turns it off.",
    ),
    (
        "cgroup-v1",
        Severity::Error,
        "cgroup v1, which kubelet refuses from 1.35 on unless told otherwise.",
    ),
    (
        "cgroup-unknown",
        Severity::Error,
        "No cgroup hierarchy that a kubelet could use.",
    ),
    (
        "clock-offset",
        Severity::Error,
        "The clock is more than 5 s from the other machines'.",
    ),
    (
        "clock-not-synchronized",
        Severity::Warning,
        "No time service keeps the clock.",
    ),
    (
        "disk-nearly-full",
        Severity::Warning,
        "kubelet's default thresholds would evict pods from this disk at once.",
    ),
];

/// Judges one host.
///
/// `clock_offset` is the host's clock minus what it should be (the caller measures it against the other hosts and this
/// machine), absent when it could not be measured. Findings that the cluster file accepts carry its reason and do not
/// block. GPU checks say nothing of hosts whose `expect.gpus` is absent or 0.
pub fn judge(
    spec: &ClusterSpec,
    node: &NodeSpec,
    facts: &NodeFacts,
    clock_offset: Option<SignedDuration>,
) -> Vec<Finding> {
    let name = node.name.as_str();
    let mut findings: Vec<Finding> = gpu_on_pci::check(node, facts).into_iter().collect();
    if node.has_gpus() {
        findings.extend(driver_flavour::check(name, facts));
        findings.extend(nouveau::check(name, facts));
        findings.extend(secure_boot::check(name, facts));
        findings.extend(kernel_headers::check(name, facts));
        findings.extend(driver_owner::check(name, facts));
        findings.extend(library_version::check(name, facts));
        findings.extend(container_software::check(name, facts));
    }
    findings.extend(swap::check(name, facts));
    findings.extend(cgroup::check(name, facts));
    findings.extend(clock::check(name, facts, clock_offset));
    findings.extend(disk::check(name, facts, &spec.kubernetes.kubelet));
    for finding in &mut findings {
        finding.accepted = spec.accepts(&finding.code).map(str::to_owned);
    }
    findings
}
