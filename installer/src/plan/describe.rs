//! A plan in words, for `bedplate plan` and reports. Called by the verbs in `cli/`.

use bedplate_protocol::{Mode, NodePlan, StepKind};
use std::fmt::Write;

/// One line a step, in order, behind a line with the node and what may happen to it.
pub fn describe(plan: &NodePlan) -> String {
    let may = match plan.mode {
        Mode::Inspect => "looks only",
        Mode::Change => "may change the host",
    };
    let mut text = format!("{}: {} steps, {may}\n", plan.node, plan.steps.len());
    for (index, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(text, "{:>4}  {}", index + 1, words(&step.spec));
    }
    text
}

fn words(step: &StepKind) -> String {
    match step {
        StepKind::Directory { path, mode } => format!("folder {path} ({mode:04o})"),
        StepKind::File { path, mode, .. } => format!("file {path} ({mode:04o})"),
        StepKind::Program { path, artifact, .. } => format!("program {path} (artifact {})", artifact.short()),
        StepKind::Symlink { path, target, .. } => format!("link {path} to {target}"),
        StepKind::Image { reference, .. } => format!("image {reference}"),
        StepKind::KernelModule { name } => format!("kernel module {name}"),
        StepKind::Sysctl { key, value } => format!("kernel parameter {key} = {value}"),
        StepKind::SwapOff => "no swap".to_owned(),
        StepKind::Unit { name, active: true, .. } => format!("unit {name}, enabled and running"),
        StepKind::Unit { name, .. } => format!("unit {name}, enabled"),
        StepKind::KubeadmInitPhase { phase, .. } => format!("kubeadm init phase {phase}"),
        StepKind::KubeadmJoin { server, .. } => format!("node of the cluster at {server}"),
        StepKind::KubeletHealthy => "kubelet healthy".to_owned(),
        StepKind::ServiceAccountToken { path, claims, .. } => format!(
            "token of {}/{} bound to node {} in {path}",
            claims.namespace, claims.service_account, claims.node
        ),
    }
}
