//! What holds of any bytes that the kubelet's pod-resources service answers with. Called by the fuzz target `pod_resources` and
//! by a property test.

use super::api::ListResponse;
use super::attribution::Attribution;
use prost::Message as _;

/// They are no answer, or one that names no more holders than it has bytes, each with a UUID and each once.
pub(crate) fn holds(bytes: &[u8]) {
    let Ok(answer) = ListResponse::decode(bytes) else {
        return;
    };
    let attribution = Attribution::from(answer);
    assert!(attribution.holders.len() <= bytes.len());
    assert!(attribution.unattributed <= bytes.len() as u64);
    for holder in &attribution.holders {
        assert!(
            holder.uuid.starts_with("GPU-") || holder.uuid.starts_with("MIG-"),
            "{holder:?}"
        );
    }
    assert!(attribution.holders.is_sorted_by(|a, b| a < b));
}

#[cfg(test)]
mod tests {
    use super::super::api::{ClaimResource, ContainerDevices, ContainerResources, DynamicResource, PodResources};
    use super::*;
    use proptest::prelude::*;

    fn pod() -> impl Strategy<Value = PodResources> {
        let id = prop_oneof!["\\PC{0,20}", "(GPU|MIG)-[0-9a-f-]{0,36}(::[0-9]{0,3})?"];
        let resource = prop_oneof!["nvidia.com/(gpu|gpu.shared|mig-1g.10gb)", "\\PC{0,12}"];
        let devices =
            (resource, prop::collection::vec(id, 0..4)).prop_map(|(resource_name, device_ids)| ContainerDevices {
                resource_name,
                device_ids,
            });
        let claim =
            prop_oneof![Just("gpu.nvidia.com".to_owned()), "\\PC{0,9}"].prop_map(|driver_name| DynamicResource {
                claim_resources: vec![ClaimResource { driver_name }],
            });
        let container = (
            "\\PC{0,9}",
            prop::collection::vec(devices, 0..3),
            prop::collection::vec(claim, 0..2),
        )
            .prop_map(|(name, devices, dynamic_resources)| ContainerResources {
                name,
                devices,
                dynamic_resources,
            });
        ("\\PC{0,9}", "\\PC{0,9}", prop::collection::vec(container, 0..3)).prop_map(|(name, namespace, containers)| {
            PodResources {
                name,
                namespace,
                containers,
            }
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            holds(&bytes);
        }

        #[test]
        fn so_is_an_answer_of_which_a_byte_was_changed(pods in prop::collection::vec(pod(), 0..4), place in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = ListResponse { pod_resources: pods }.encode_to_vec();
            holds(&bytes);
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = to;
                holds(&bytes);
            }
        }
    }
}
