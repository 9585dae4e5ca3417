//! The conversation between installer and agent on one stream: a request, then its answers.
//!
//! The installer starts `bedplate-agent session` over SSH and speaks first with [`Request::Hello`]. Each request is answered
//! by exactly one [`Response`], except [`Request::Follow`], which is answered by events and then
//! [`Response::FollowEnded`]. [`Request::PutArtifact`] is followed by exactly `size` raw bytes.

use crate::{Event, Finding, NodeFacts, NodePlan, RunId, SecretString, Sha256Hex, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest format it understands.
    pub protocol_min: u32,
    /// The newest format it speaks.
    pub protocol_max: u32,
    /// Its version.
    pub version: String,
    /// The hash of its own file.
    pub sha256: Sha256Hex,
    /// `x86_64-linux-gnu`.
    pub target: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Its effective user id; 0 is what most requests need.
    pub uid: u32,
    /// The run that is being executed on this host right now.
    pub active_run: Option<RunId>,
}

/// What a GPU host must have. Every field that is set is compared; a difference is a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expectation {
    /// How many GPUs NVML must list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// A part of NVML's product name, case-insensitive: `H100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The driver's version or the beginning of it, up to a dot: `580` or `580.95.05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The least memory of each GPU, in whole GiB, as NVML counts it: 79 of an H100 80GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<u32>,
    /// Whether MIG must be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<bool>,
    /// Whether persistence mode must be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<bool>,
    /// Whether ECC must be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecc: Option<bool>,
    /// The fewest PCIe lanes that device and slot must support together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_width: Option<u32>,
}

/// Values for a plan's `ValueRef`s. The only message with secrets in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// The run they are for.
    pub run: RunId,
    /// By name.
    pub values: BTreeMap<String, SecretString>,
}

/// From the installer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The first message. Answered by [`Response::Hello`] or, when the ranges do not meet, [`Response::Refused`].
    Hello {
        /// The oldest format the installer understands.
        protocol_min: u32,
        /// The newest format the installer speaks.
        protocol_max: u32,
    },
    /// What is there. Changes nothing. Answered by [`Response::Facts`].
    Facts,
    /// Judge the GPUs. Changes nothing. Answered by [`Response::Verdict`].
    Check {
        /// What must be there, if anything is expected.
        expect: Option<Expectation>,
    },
    /// Which of these are not in the artifact store. Answered by [`Response::Missing`].
    MissingArtifacts {
        /// Hashes of the files as they travel.
        sha256: Vec<Sha256Hex>,
    },
    /// `size` raw bytes follow this frame. Answered by [`Response::Stored`] once hash and size were checked.
    PutArtifact {
        /// Of the bytes that follow.
        sha256: Sha256Hex,
        /// How many follow.
        size: u64,
    },
    /// Keep values in memory (`/run`), 0600, until the run ends. Before [`Request::Apply`]. Answered by [`Response::Stored`].
    Values(Values),
    /// Check the whole plan, store it, start its unit. Answered by [`Response::Accepted`] or [`Response::Refused`].
    Apply {
        /// The plan.
        plan: NodePlan,
    },
    /// Answered by [`Response::Event`] for each event from `from_seq` on, until the run's terminal event, then
    /// [`Response::FollowEnded`].
    Follow {
        /// Which run.
        run: RunId,
        /// The first sequence number wanted.
        from_seq: u64,
    },
    /// Stop between two steps. Answered by [`Response::Stored`].
    Cancel {
        /// Which run.
        run: RunId,
    },
    /// The cluster's administrator kubeconfig of a control-plane host. Answered by [`Response::Kubeconfig`].
    AdminKubeconfig,
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Facts`].
    Facts {
        /// What is there.
        facts: Box<NodeFacts>,
    },
    /// To [`Request::Check`].
    Verdict {
        /// The judgement.
        verdict: Verdict,
    },
    /// To [`Request::MissingArtifacts`].
    Missing {
        /// Those that must be sent.
        sha256: Vec<Sha256Hex>,
    },
    /// Done.
    Stored,
    /// The plan's unit has been started.
    Accepted {
        /// Which run.
        run: RunId,
    },
    /// One event of a followed run.
    Event {
        /// The event.
        event: Event,
    },
    /// No more events will come.
    FollowEnded,
    /// The administrator's kubeconfig.
    Kubeconfig {
        /// Its text.
        kubeconfig: SecretString,
    },
    /// Not done, nothing was changed, and why.
    Refused {
        /// Why.
        findings: Vec<Finding>,
    },
}
