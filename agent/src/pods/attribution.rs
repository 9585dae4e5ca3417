//! Which container holds which GPU, out of the kubelet's answer. Pure; called by [`super::client`] only.

use super::api::{ContainerResources, ListResponse};
use std::collections::BTreeSet;

/// A container that holds a GPU, a MIG device, or a time-slice of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder {
    /// `GPU-…` or `MIG-…`, as NVML spells it.
    pub(crate) uuid: String,
    /// The N of `<uuid>::N`, which slice of a shared device; absent when the device is not shared.
    pub(crate) replica: Option<String>,
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod's name.
    pub(crate) pod: String,
    /// The container's name.
    pub(crate) container: String,
}

/// What a kubelet said, once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attribution {
    /// Each holder once, in order.
    pub(crate) holders: Vec<Holder>,
    /// Devices of NVIDIA's resources whose id names no UUID, and claims of NVIDIA's DRA driver, whose answer names none:
    /// given to containers, and nobody here can say which GPU they are.
    pub(crate) unattributed: u64,
}

/// The resources of NVIDIA's device plugin: whole GPUs, shared ones under `renameByDefault`, and MIG profiles under the `mixed`
/// strategy (NVIDIA/k8s-device-plugin v0.19.1, README.md, "Shared Access to GPUs" and "`MIG_STRATEGY`").
fn is_nvidia(resource: &str) -> bool {
    matches!(resource, "nvidia.com/gpu" | "nvidia.com/gpu.shared") || resource.starts_with("nvidia.com/mig-")
}

/// The driver's name in claims (kubernetes-sigs/dra-driver-nvidia-gpu, README.md).
const DRA_DRIVER: &str = "gpu.nvidia.com";

impl From<ListResponse> for Attribution {
    fn from(answer: ListResponse) -> Self {
        let mut holders = BTreeSet::new();
        let mut unattributed = 0;
        for pod in &answer.pod_resources {
            for container in &pod.containers {
                for id in device_ids(container) {
                    let Some((uuid, replica)) = device(id) else {
                        unattributed += 1;
                        continue;
                    };
                    holders.insert(Holder {
                        uuid: uuid.to_owned(),
                        replica: replica.map(str::to_owned),
                        namespace: pod.namespace.clone(),
                        pod: pod.name.clone(),
                        container: container.name.clone(),
                    });
                }
                unattributed += claims(container);
            }
        }
        Self {
            holders: holders.into_iter().collect(),
            unattributed,
        }
    }
}

fn device_ids(container: &ContainerResources) -> impl Iterator<Item = &str> {
    let nvidia = container.devices.iter().filter(|held| is_nvidia(&held.resource_name));
    nvidia.flat_map(|held| held.device_ids.iter().map(String::as_str))
}

fn claims(container: &ContainerResources) -> u64 {
    let claims = container
        .dynamic_resources
        .iter()
        .flat_map(|held| &held.claim_resources);
    claims.map(|claim| u64::from(claim.driver_name == DRA_DRIVER)).sum()
}

/// UUID and replica of the plugin's id: `<uuid>`, or `<uuid>::<replica>` where it shares devices (`AnnotatedID`,
/// NVIDIA/k8s-device-plugin v0.19.1, `internal/rm/devices.go`).
fn device(id: &str) -> Option<(&str, Option<&str>)> {
    let (uuid, replica) = match id.split_once("::") {
        Some((uuid, replica)) => (uuid, Some(replica)),
        None => (id, None),
    };
    let known = uuid.starts_with("GPU-") || uuid.starts_with("MIG-");
    known.then_some((uuid, replica))
}

#[cfg(test)]
mod tests {
    use super::super::api::{ClaimResource, ContainerDevices, DynamicResource, PodResources};
    use super::*;
    use proptest::prelude::*;
    use prost::Message;

    fn holding(resource: &str, ids: &[&str]) -> ContainerResources {
        ContainerResources {
            name: "main".to_owned(),
            devices: vec![ContainerDevices {
                resource_name: resource.to_owned(),
                device_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            }],
            dynamic_resources: Vec::new(),
        }
    }

    fn pod(name: &str, containers: Vec<ContainerResources>) -> PodResources {
        PodResources {
            name: name.to_owned(),
            namespace: "team-a".to_owned(),
            containers,
        }
    }

    fn attributed(pods: Vec<PodResources>) -> Attribution {
        Attribution::from(ListResponse { pod_resources: pods })
    }

    #[test]
    fn two_pods_on_one_time_sliced_gpu_are_two_holders() {
        let said = attributed(vec![
            pod("b", vec![holding("nvidia.com/gpu", &["GPU-1::2"])]),
            pod("a", vec![holding("nvidia.com/gpu.shared", &["GPU-1::0"])]),
        ]);
        let held: Vec<_> = said
            .holders
            .iter()
            .map(|holder| (holder.pod.as_str(), holder.uuid.as_str(), holder.replica.as_deref()))
            .collect();
        assert_eq!(held, [("a", "GPU-1", Some("0")), ("b", "GPU-1", Some("2"))]);
        assert_eq!(said.unattributed, 0);
    }

    #[test]
    fn a_mig_device_is_held_whole_or_in_slices() {
        let said = attributed(vec![
            pod("whole", vec![holding("nvidia.com/mig-1g.10gb", &["MIG-1"])]),
            pod("slice", vec![holding("nvidia.com/mig-3g.40gb.shared", &["MIG-2::1"])]),
        ]);
        let held: Vec<_> = said
            .holders
            .iter()
            .map(|holder| (holder.uuid.as_str(), holder.replica.as_deref()))
            .collect();
        assert_eq!(held, [("MIG-1", None), ("MIG-2", Some("1"))]);
    }

    #[test]
    fn other_vendors_devices_are_nobodys_business_here() {
        let said = attributed(vec![pod("p", vec![holding("example.com/nic", &["GPU-1"])])]);
        assert_eq!(said, Attribution::default());
    }

    #[test]
    fn a_device_without_a_uuid_is_counted_and_not_guessed() {
        let mut claiming = holding("nvidia.com/gpu", &["nvidia0/vgpu1"]);
        claiming.dynamic_resources.push(DynamicResource {
            claim_resources: vec![ClaimResource {
                driver_name: DRA_DRIVER.to_owned(),
            }],
        });
        let said = attributed(vec![pod("p", vec![claiming])]);
        assert_eq!((said.holders.len(), said.unattributed), (0, 2));
    }

    #[test]
    fn an_answer_of_a_newer_kubelet_is_read_by_its_known_fields() {
        let mut bytes = ListResponse {
            pod_resources: vec![pod("p", vec![holding("nvidia.com/gpu", &["GPU-1"])])],
        }
        .encode_to_vec();
        // Field 99, a string that this build does not know.
        bytes.extend_from_slice(&[0x9a, 0x06, 3, b'n', b'e', b'w']);
        let said = Attribution::from(ListResponse::decode(bytes.as_slice()).unwrap());
        assert_eq!(said.holders.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(answer) = ListResponse::decode(bytes.as_slice()) {
                let said = Attribution::from(answer);
                prop_assert!(said.holders.len() as u64 + said.unattributed <= bytes.len() as u64);
            }
        }

        #[test]
        fn a_cut_or_damaged_answer_never_panics(cut in 0usize..200, at in 0usize..200, with in any::<u8>()) {
            let mut bytes = ListResponse {
                pod_resources: vec![
                    pod("p", vec![holding("nvidia.com/gpu", &["GPU-1::0", "GPU-2::1"])]),
                    pod("q", vec![holding("nvidia.com/mig-1g.10gb", &["MIG-1"])]),
                ],
            }
            .encode_to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
            bytes.truncate(cut);
            if let Ok(answer) = ListResponse::decode(bytes.as_slice()) {
                let _ = Attribution::from(answer);
            }
        }

        #[test]
        fn any_id_is_a_uuid_or_counted(id in ".{0,64}") {
            let said = attributed(vec![pod("p", vec![holding("nvidia.com/gpu", &[&id])])]);
            prop_assert_eq!(said.holders.len() as u64 + said.unattributed, 1);
            prop_assert!(said.holders.iter().all(|held| id.starts_with(&held.uuid)));
        }
    }
}
