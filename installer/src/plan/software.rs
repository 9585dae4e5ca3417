//! Programs and images, by the roles that a node has. Called by the room's `mod`.

use super::{PlanError, Site};
use crate::config::{NodeRole, NodeSpec};
use bedplate_protocol::artifacts::{Image, Role};
use bedplate_protocol::{StepKind, StepSpec};
use std::collections::BTreeSet;

/// Without these no node can be made.
const PROGRAMS: &[&str] = &[
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "ctr",
    "kubeadm",
    "kubelet",
];

/// The sandbox of every pod, without its tag.
const PAUSE: &str = "registry.k8s.io/pause";

/// The roles of a node. Every node runs pods.
fn roles(node: &NodeSpec) -> Vec<Role> {
    let mut roles = vec![Role::Worker];
    if node.role == NodeRole::ControlPlane {
        roles.push(Role::ControlPlane);
    }
    if node.has_gpus() {
        roles.push(Role::Gpu);
    }
    roles
}

fn wanted(of: &[Role], node: &[Role]) -> bool {
    of.iter().any(|role| node.contains(role))
}

pub(super) fn programs(site: &Site<'_>, node: &NodeSpec) -> Result<Vec<StepSpec>, PlanError> {
    let roles = roles(node);
    let programs: Vec<_> = site
        .index
        .programs
        .iter()
        .filter(|program| wanted(&program.roles, &roles))
        .collect();
    for name in PROGRAMS {
        if !programs.iter().any(|program| program.name == *name) {
            return Err(PlanError::MissingProgram {
                name,
                node: node.name.clone(),
            });
        }
    }
    // Folders of the distribution are there; those outside /usr (/opt/cni/bin) may not be.
    let folders: BTreeSet<&str> = programs
        .iter()
        .filter_map(|program| program.install.rsplit_once('/').map(|(folder, _)| folder))
        .filter(|folder| !folder.starts_with("/usr/"))
        .collect();
    let mut steps: Vec<StepSpec> = folders.into_iter().map(directory).collect();
    for program in programs {
        let mode = u32::from_str_radix(&program.mode, 8).map_err(|_| PlanError::BadMode {
            program: program.name.clone(),
            mode: program.mode.clone(),
        })?;
        steps.push(StepSpec::new(StepKind::Program {
            path: program.install.clone(),
            mode,
            artifact: program.sha256.clone(),
            content: program.content_sha256.clone(),
        }));
    }
    Ok(steps)
}

/// The images of the static pods that make a control plane, with the sandbox that they run in, and all others of the node.
pub(super) fn images(site: &Site<'_>, node: &NodeSpec) -> Result<(Vec<StepSpec>, Vec<StepSpec>), PlanError> {
    let pause = pause(site, node)?;
    let roles = roles(node);
    let images = site.index.images.iter().filter(|image| wanted(&image.roles, &roles));
    let (control_plane, others): (Vec<&Image>, Vec<&Image>) =
        images.partition(|image| image.roles == [Role::ControlPlane] || image.name == pause.name);
    let steps = |images: Vec<&Image>| images.into_iter().map(image_step).collect();
    Ok((steps(control_plane), steps(others)))
}

fn image_step(image: &Image) -> StepSpec {
    StepSpec::new(StepKind::Image {
        reference: image.name.clone(),
        artifact: image.sha256.clone(),
        config_digest: image.config_digest.clone(),
    })
}

/// The pause image that the index has for this node.
pub(super) fn pause<'s>(site: &Site<'s>, node: &NodeSpec) -> Result<&'s Image, PlanError> {
    let roles = roles(node);
    site.index
        .images
        .iter()
        .find(|image| {
            wanted(&image.roles, &roles) && image.name.rsplit_once(':').is_some_and(|(name, _)| name == PAUSE)
        })
        .ok_or_else(|| PlanError::MissingImage {
            name: PAUSE,
            node: node.name.clone(),
        })
}

/// A folder that everybody may read.
pub(super) fn directory(path: &str) -> StepSpec {
    StepSpec::new(StepKind::Directory {
        path: path.to_owned(),
        mode: 0o755,
    })
}
