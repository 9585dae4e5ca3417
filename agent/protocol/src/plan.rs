//! What should hold on one host, as data.
//!
//! A step says what must hold, never how; the agent's step of the same name knows how, by `inspect → change → inspect`.

use crate::{Epoch, RunId, Sha256Hex, StepId};
use serde::{Deserialize, Serialize};

/// Whether a plan may change the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Only look: every step answers what it would change.
    Inspect,
    /// Look, change, look again.
    Change,
}

/// Everything that must hold on one host, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// The message format it was written in.
    pub protocol: u32,
    /// The run it belongs to. A host executes one plan a run and `stage`.
    pub run: RunId,
    /// Fencing: older than the newest the agent has seen is refused.
    pub epoch: Epoch,
    /// The node's name, for people.
    pub node: String,
    /// Whether it may change anything.
    pub mode: Mode,
    /// In order; each begins after the one before it has ended well.
    pub steps: Vec<StepSpec>,
}

impl NodePlan {
    /// The plan's hash: of its JSON, which is the same on both sides because field order is the type's.
    pub fn hash(&self) -> Sha256Hex {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256Hex::of(&text)
    }

    /// The names of all values that must have arrived before the first step.
    pub fn values(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.steps.iter().flat_map(|step| step.spec.values()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The hashes of all artifacts that must lie in the host's store before the first step.
    pub fn artifacts(&self) -> Vec<&Sha256Hex> {
        self.steps.iter().filter_map(|step| step.spec.artifact()).collect()
    }
}

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSpec {
    /// Stable between plans.
    pub id: StepId,
    /// What must hold.
    #[serde(flatten)]
    pub spec: StepKind,
}

impl StepSpec {
    /// A step whose id follows from what it is about.
    pub fn new(spec: StepKind) -> Self {
        Self { id: spec.id(), spec }
    }
}

/// A text that may hold values which are secret or not known when the plan is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(pub Vec<Part>);

/// A piece of a [`Content`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// As it stands.
    Text(String),
    /// To be put in by the agent from the run's values; the name, never the value.
    ValueRef(String),
}

impl Content {
    /// A content without values.
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    /// The names of its values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::ValueRef(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }
}

/// What must hold. A kind that an agent does not know makes it refuse the whole plan before its first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepKind {
    /// A directory exists with these permission bits.
    Directory {
        /// Absolute.
        path: String,
        /// Permission bits.
        mode: u32,
    },
    /// A file has exactly this content and these permission bits.
    File {
        /// Absolute.
        path: String,
        /// Permission bits.
        mode: u32,
        /// What it holds.
        content: Content,
    },
    /// A program from the artifact store lies at this path.
    Program {
        /// Absolute.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Which artifact (the compressed file's hash).
        artifact: Sha256Hex,
        /// The program's own hash; what `inspect` compares.
        content: Sha256Hex,
    },
    /// A symbolic link points at a path. One that already points below `ours` is replaced; whatever else has the name is somebody's,
    /// and stays.
    Symlink {
        /// Where the link lies, absolute.
        path: String,
        /// What it points at, absolute.
        target: String,
        /// The folder below which every earlier target of ours lies, absolute.
        ours: String,
    },
    /// An image is in containerd's `k8s.io` namespace under this reference with this id.
    Image {
        /// `registry.k8s.io/pause:3.10.2`.
        reference: String,
        /// Which artifact (the compressed archive's hash).
        artifact: Sha256Hex,
        /// `sha256:…`, the image id.
        config_digest: String,
    },
    /// A kernel function is there: a module that is loaded and will be after a boot, or one that is built in.
    KernelModule {
        /// `br_netfilter`.
        name: String,
    },
    /// A kernel parameter has this value now and after a boot.
    Sysctl {
        /// `net.ipv4.ip_forward`.
        key: String,
        /// As the kernel prints it.
        value: String,
    },
    /// No swap is in use, now or after a boot.
    SwapOff,
    /// A systemd unit file has this content, is enabled and active. Restarted if its file, or one of these files, is newer
    /// than its start.
    Unit {
        /// `containerd.service`.
        name: String,
        /// The unit file's text.
        content: String,
        /// Files that it reads at start only.
        restart_on: Vec<String>,
        /// Whether it must be active now. A kubelet before `kubeadm` has nothing to do and only restarts.
        active: bool,
    },
    /// One phase of `kubeadm init` has been carried out for this configuration.
    KubeadmInitPhase {
        /// As typed after `kubeadm init phase`: `certs all`.
        phase: String,
        /// Path of kubeadm's configuration on the host.
        config: String,
    },
    /// This host is a node of the cluster whose CA is in `config`'s pins.
    KubeadmJoin {
        /// kubeadm's `JoinConfiguration`; holds the token as a value.
        config: Content,
        /// `10.0.0.5:6443`, to recognise a host that has joined another cluster.
        server: String,
    },
    /// kubelet on this host answers its health endpoint.
    KubeletHealthy,
    /// One of two files, 0600, holds a service account's token that is bound to this node and still lives for a while. Who uses
    /// it renews it, so it is judged by its claims, never by its text.
    ServiceAccountToken {
        /// Where it is delivered, absolute.
        path: String,
        /// Where who uses it keeps the one that it has asked for itself, absolute.
        renewed: String,
        /// A new token, written only where there is none that will do.
        token: Content,
        /// Whom it must speak for and how long.
        claims: TokenClaims,
    },
}

/// What a service account's token must say (kubernetes.io, "Managing Service Accounts", private claims `kubernetes.io`; read
/// 2026-11-21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenClaims {
    /// The service account's namespace.
    pub namespace: String,
    /// Its name.
    pub service_account: String,
    /// Its uid: an account made anew has another, and the old one's tokens are refused.
    pub service_account_uid: String,
    /// The Node object that the token is bound to.
    pub node: String,
    /// Its uid.
    pub node_uid: String,
    /// How long it must still live, in seconds.
    pub least_seconds: u64,
}

impl StepKind {
    /// The stable id of a step that asks for this.
    pub fn id(&self) -> StepId {
        match self {
            Self::Directory { path, .. } => StepId::new("directory", path),
            Self::File { path, .. } => StepId::new("file", path),
            Self::Program { path, .. } => StepId::new("program", path),
            Self::Symlink { path, .. } => StepId::new("symlink", path),
            Self::Image { reference, .. } => StepId::new("image", reference),
            Self::KernelModule { name } => StepId::new("kernel-module", name),
            Self::Sysctl { key, .. } => StepId::new("sysctl", key),
            Self::SwapOff => StepId::new("swap-off", "all"),
            Self::Unit { name, .. } => StepId::new("unit", name),
            Self::KubeadmInitPhase { phase, .. } => StepId::new("kubeadm-init-phase", phase),
            Self::KubeadmJoin { server, .. } => StepId::new("kubeadm-join", server),
            Self::KubeletHealthy => StepId::new("kubelet-healthy", "10248"),
            Self::ServiceAccountToken { path, .. } => StepId::new("service-account-token", path),
        }
    }

    fn values(&self) -> Vec<&str> {
        match self {
            Self::File { content, .. }
            | Self::KubeadmJoin { config: content, .. }
            | Self::ServiceAccountToken { token: content, .. } => content.values().collect(),
            _ => Vec::new(),
        }
    }

    fn artifact(&self) -> Option<&Sha256Hex> {
        match self {
            Self::Program { artifact, .. } | Self::Image { artifact, .. } => Some(artifact),
            _ => None,
        }
    }
}
