//! Whether a node shows that it has GPUs, whoever says so: only then is it a fault that no agent looks at them. Called by `read`.

use crate::cluster::agents::GPUS;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// NVIDIA's device plugin: `nvidia.com/gpu`, `nvidia.com/gpu.shared`, `nvidia.com/mig-1g.10gb` (NVIDIA/k8s-device-plugin,
/// README.md, read 2026-11). What it has offered once stays in the list with 0 when it goes.
const RESOURCES: &str = "nvidia.com/";
/// GPU feature discovery and the GPU Operator, and what `bedplate up` selects the plugin's nodes by.
const PRESENT: &str = "nvidia.com/gpu.present";
/// Node feature discovery: `pci-0302_10de.present`, or `pci-10de.present` where it is told to name the vendor alone
/// (kubernetes-sigs.github.io/node-feature-discovery, "Feature discovery", read 2026-11).
const PCI: &str = "feature.node.kubernetes.io/pci-";
/// Its vendor number on PCI.
const NVIDIA: &str = "10de";
/// What an agent has written, which is not there now.
const COUNT: &str = "bedplate.dev/gpu-count";

/// The first sign of a GPU, in words.
pub(super) fn of_gpu(node: &Node) -> Option<String> {
    let status = node.status.as_ref();
    let offered = |what: &str, all: Option<&BTreeMap<String, Quantity>>| {
        let (name, amount) = all?.iter().find(|(name, _)| name.starts_with(RESOURCES))?;
        Some(format!("{what} {name}: {}", amount.0))
    };
    let labels = node.metadata.labels.as_ref();
    let label = || {
        let (name, value) = labels?.iter().find(|(name, value)| {
            let device = name.strip_prefix(PCI).and_then(|rest| rest.strip_suffix(".present"));
            let nvidia = device.is_some_and(|fields| fields.split('_').any(|field| field == NVIDIA));
            (name.as_str() == PRESENT || nvidia) && value.as_str() == "true" || name.as_str() == COUNT
        })?;
        Some(format!("the label {name}={value}"))
    };
    let annotated = || {
        let there = node.metadata.annotations.as_ref()?.contains_key(GPUS);
        there.then(|| format!("the annotation {GPUS}"))
    };
    offered("the capacity", status.and_then(|status| status.capacity.as_ref()))
        .or_else(|| offered("allocatable", status.and_then(|status| status.allocatable.as_ref())))
        .or_else(label)
        .or_else(annotated)
}
