//! What should hold on each host, as data: from the cluster file, the facts and the artifact index to a [`NodePlan`].
//!
//! Pure: the same input gives the same plan, byte for byte. No secret is ever in a plan; what is not known when it is made
//! is a `ValueRef` that the agent puts in from the run's values. Called by the verbs in `cli/`.

mod agent;
mod containerd;
mod describe;
mod kubeadm_init;
mod kubeadm_join;
mod kubelet;
mod software;
mod system;

pub use agent::{AGENT_TOKEN, AgentIdentity, agent};
pub use describe::describe;
pub use kubeadm_join::{CA_HASH, JOIN_TOKEN, api_server};

use crate::config::{ClusterSpec, NodeRole, NodeSpec};
use bedplate_protocol::artifacts::Index;
use bedplate_protocol::facts::CgroupVersion;
use bedplate_protocol::{Epoch, Mode, NodeFacts, NodePlan, PROTOCOL_MAX, RunId, StepKind, StepSpec};
use std::collections::BTreeMap;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The cluster file.
    pub spec: &'a ClusterSpec,
    /// What was read of each node, by name.
    pub facts: &'a BTreeMap<String, NodeFacts>,
    /// The artifact directory's index.
    pub index: &'a Index,
}

/// The run that a plan belongs to; born in `cli/`, for this room has no clock and no randomness.
#[derive(Debug, Clone)]
pub struct RunHeader {
    /// The run.
    pub run: RunId,
    /// Its fencing number.
    pub epoch: Epoch,
    /// Whether it may change anything.
    pub mode: Mode,
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// A program that every node of this kind needs is not in the index.
    #[error(
        "the artifact directory has no program {name} for {node}: build it again with tests/tools/build, or write the path of a whole one to `artifacts:`"
    )]
    MissingProgram {
        /// `kubelet`.
        name: &'static str,
        /// Which node needs it.
        node: String,
    },
    /// An image that every node of this kind needs is not in the index.
    #[error(
        "the artifact directory has no image {name} for {node}: build it again with tests/tools/build, or write the path of a whole one to `artifacts:`"
    )]
    MissingImage {
        /// `registry.k8s.io/pause`.
        name: &'static str,
        /// Which node needs it.
        node: String,
    },
    /// A program's `mode` is no octal number.
    #[error("the artifact index gives {program} the mode {mode:?}, which is no octal number: write \"0755\"")]
    BadMode {
        /// Which program.
        program: String,
        /// What the index says.
        mode: String,
    },
    /// A node whose facts were not read.
    #[error("nothing was read of {node}, so no plan can be made for it: run bedplate preflight and see why")]
    NoFacts {
        /// Which node.
        node: String,
    },
    /// The cluster file has no control-plane node.
    #[error("{file} has no node with role control-plane: give exactly one node that role")]
    NoControlPlane {
        /// The cluster file.
        file: String,
    },
}

/// The plan of one node: [`founder`] for the control plane, [`joiner`] for a worker.
pub fn node(site: &Site<'_>, node: &NodeSpec, run: &RunHeader) -> Result<NodePlan, PlanError> {
    match node.role {
        NodeRole::ControlPlane => founder(site, node, run),
        NodeRole::Worker => joiner(site, node, run),
    }
}

/// The plan of the node that the cluster begins with.
pub fn founder(site: &Site<'_>, node: &NodeSpec, run: &RunHeader) -> Result<NodePlan, PlanError> {
    let mut steps = software_steps(site, node)?;
    let (control_plane, others) = software::images(site, node)?;
    steps.extend(control_plane);
    steps.extend(kubeadm_init::steps(site, node, others)?);
    steps.push(StepSpec::new(StepKind::KubeletHealthy));
    Ok(assemble(node, run, steps))
}

/// The plan of a node that joins a cluster. Its values are [`JOIN_TOKEN`] and [`CA_HASH`].
pub fn joiner(site: &Site<'_>, node: &NodeSpec, run: &RunHeader) -> Result<NodePlan, PlanError> {
    let mut steps = host_steps(site, node)?;
    steps.push(kubeadm_join::step(site, node)?);
    steps.push(StepSpec::new(StepKind::KubeletHealthy));
    Ok(assemble(node, run, steps))
}

/// The part of a joiner's plan that needs no cluster yet: a worker is prepared while the control plane starts.
pub fn prepare(site: &Site<'_>, node: &NodeSpec, run: &RunHeader) -> Result<NodePlan, PlanError> {
    Ok(assemble(node, run, host_steps(site, node)?))
}

/// The part of a joiner's plan after [`prepare`]. Its values are [`JOIN_TOKEN`] and [`CA_HASH`].
pub fn join(site: &Site<'_>, node: &NodeSpec, run: &RunHeader) -> Result<NodePlan, PlanError> {
    let steps = vec![kubeadm_join::step(site, node)?, StepSpec::new(StepKind::KubeletHealthy)];
    Ok(assemble(node, run, steps))
}

/// What a worker needs before kubeadm: kernel, programs, containerd, kubelet, images.
pub fn host_steps(site: &Site<'_>, node: &NodeSpec) -> Result<Vec<StepSpec>, PlanError> {
    let mut steps = software_steps(site, node)?;
    let (control_plane, others) = software::images(site, node)?;
    steps.extend(control_plane.into_iter().chain(others));
    Ok(steps)
}

/// Everything but images.
fn software_steps(site: &Site<'_>, node: &NodeSpec) -> Result<Vec<StepSpec>, PlanError> {
    let mut steps = system::steps();
    steps.extend(software::programs(site, node)?);
    steps.extend(containerd::steps(site, node, facts_of(site, node)?)?);
    steps.extend(kubelet::steps());
    Ok(steps)
}

fn assemble(node: &NodeSpec, run: &RunHeader, steps: Vec<StepSpec>) -> NodePlan {
    NodePlan {
        protocol: PROTOCOL_MAX,
        run: run.run.clone(),
        epoch: run.epoch,
        node: node.name.clone(),
        mode: run.mode,
        steps,
    }
}

fn facts_of<'s>(site: &Site<'s>, node: &NodeSpec) -> Result<&'s NodeFacts, PlanError> {
    site.facts.get(&node.name).ok_or_else(|| PlanError::NoFacts {
        node: node.name.clone(),
    })
}

/// Whether a kubelet must be told to start on cgroup v1: only where the host has it and the cluster file accepts that.
fn accepts_cgroup_v1(site: &Site<'_>, facts: &NodeFacts) -> bool {
    facts.cgroup == CgroupVersion::V1 && site.spec.accepts("cgroup-v1").is_some()
}
