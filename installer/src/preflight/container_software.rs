//! What pods will lack on a GPU host without NVIDIA's container toolkit or without CDI specifications. Warnings: the
//! device plugin brings what its own pods need.

use bedplate_protocol::{Finding, NodeFacts, Severity};

pub(super) fn check(node: &str, facts: &NodeFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.nvidia.container_toolkit.is_none() {
        findings.push(Finding::new(
            Severity::Warning,
            "container-toolkit-missing",
            node,
            "nvidia-ctk is not installed: nothing on the host can write or refresh CDI specifications, and pods that ask \
             for the runtime class nvidia will not start",
            "`bedplate up` installs nvidia-ctk where the artifact directory has it; by hand: \
             apt-get install --yes nvidia-container-toolkit",
        ));
    }
    if facts.nvidia.cdi_specs.is_empty() {
        findings.push(
            Finding::new(
                Severity::Warning,
                "cdi-missing",
                node,
                "no CDI specification: containers that name a GPU by CDI get none until the device plugin has written its own",
                "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            )
            .with_evidence("neither /etc/cdi nor /var/run/cdi holds a specification"),
        );
    }
    findings
}
