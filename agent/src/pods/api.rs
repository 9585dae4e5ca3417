//! The messages of kubelet's pod-resources service that this agent reads, with their field numbers. Called by
//! [`super::client`] only.
//!
//! Written by hand after `pkg/apis/podresources/v1/api.proto` of module k8s.io/kubelet v0.36.3 (Apache-2.0, read 2026-11-21);
//! fields that nothing here needs are left out and skipped by the decoder.

/// `v1.PodResourcesLister/List`, the service of `/var/lib/kubelet/pod-resources/kubelet.sock`.
pub(super) const LIST: &str = "/v1.PodResourcesLister/List";

/// `ListPodResourcesRequest`: it has no fields.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct ListRequest {}

/// `ListPodResourcesResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ListResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) pod_resources: Vec<PodResources>,
}

/// `PodResources`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct PodResources {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) namespace: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) containers: Vec<ContainerResources>,
}

/// `ContainerResources`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ContainerResources {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) devices: Vec<ContainerDevices>,
    #[prost(message, repeated, tag = "5")]
    pub(super) dynamic_resources: Vec<DynamicResource>,
}

/// `ContainerDevices`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ContainerDevices {
    #[prost(string, tag = "1")]
    pub(super) resource_name: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) device_ids: Vec<String>,
}

/// `DynamicResource`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct DynamicResource {
    #[prost(message, repeated, tag = "4")]
    pub(super) claim_resources: Vec<ClaimResource>,
}

/// `ClaimResource`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ClaimResource {
    #[prost(string, tag = "2")]
    pub(super) driver_name: String,
}
