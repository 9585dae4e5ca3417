//! Which pods hold which GPUs, asked of the kubelet on this host.
//!
//! One question over the kubelet's pod-resources socket, with a deadline, over a connection of its own, so that a kubelet
//! that was restarted is no special case. Never keeps an answer: what the kubelet does not say now is not known. Called by
//! [`crate::serve`]; reads only.

mod api;
mod attribution;
mod client;
#[cfg(any(test, fuzzing))]
pub(crate) mod property;

pub(crate) use attribution::{Attribution, Holder};
pub(crate) use client::list;

/// Where kubelet serves (`PodResources` directory beneath its root directory, kubernetes v1.36.3,
/// `pkg/kubelet/kubelet.go`, `defaultPodResourcesPath`).
pub(crate) const SOCKET: &str = "/var/lib/kubelet/pod-resources/kubelet.sock";
