//! The artifact directory: programs and container images with a hash for each file, described by its `index.yaml`.
//!
//! It is the one door by which software reaches a host, whether the files were downloaded, bundled or built. The installer
//! reads the index and checks each file's hash before it sends it; the agent checks again what arrived and what it installed.

use crate::Sha256Hex;
use serde::{Deserialize, Serialize};

/// The name of the index inside an artifact directory.
pub const INDEX_FILE: &str = "index.yaml";

/// `index.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The format; this build reads version 1.
    pub version: u32,
    /// The Kubernetes release of these programs and images, `v1.36.3`.
    pub kubernetes: String,
    /// Files installed on hosts.
    pub programs: Vec<Program>,
    /// Images imported into containerd.
    pub images: Vec<Image>,
}

/// Which hosts need an artifact. A host has several roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the API server and etcd.
    ControlPlane,
    /// Runs pods; every node does.
    Worker,
    /// Has GPUs.
    Gpu,
}

/// One program file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// `kubelet`.
    pub name: String,
    /// The publisher's version.
    pub version: String,
    /// Relative to the artifact directory; ends in `.zst`.
    pub file: String,
    /// Of the file as it lies in the directory.
    pub sha256: Sha256Hex,
    /// Bytes of the file as it lies in the directory.
    pub size: u64,
    /// Of the program, decompressed.
    pub content_sha256: Sha256Hex,
    /// Bytes of the program, decompressed.
    pub content_size: u64,
    /// Absolute path on the host.
    pub install: String,
    /// Octal permission bits, `"0755"`.
    pub mode: String,
    /// Hosts that get it.
    pub roles: Vec<Role>,
}

/// One image archive that `ctr images import` reads once it is decompressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The reference that manifests use, `registry.k8s.io/pause:3.10.2`.
    pub name: String,
    /// Relative to the artifact directory; ends in `.tar.zst`.
    pub file: String,
    /// Of the file as it lies in the directory.
    pub sha256: Sha256Hex,
    /// Bytes of the file as it lies in the directory.
    pub size: u64,
    /// Of the archive, decompressed.
    pub content_sha256: Sha256Hex,
    /// Bytes of the archive, decompressed.
    pub content_size: u64,
    /// `sha256:…` of the image's config, what the container runtime calls the image id.
    pub config_digest: String,
    /// Hosts that get it.
    pub roles: Vec<Role>,
}
