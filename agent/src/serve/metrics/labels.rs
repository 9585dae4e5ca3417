//! A GPU's labels, by dcgm-exporter's names (NVIDIA/dcgm-exporter 4.5.3-4.8.2, `internal/pkg/rendermetrics`, read 2026-11-21).
//!
//! Called by the other files of [`super`].

use super::super::exposition::Label;
use crate::daemon::State;
use bedplate_protocol::GpuVerdict;
use bedplate_protocol::facts::GpuFacts;

/// What tells a GPU from the others on its node; the label `Hostname` is on every value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    gpu: String,
    uuid: String,
    pci_bus_id: String,
    device: String,
    model: String,
}

impl Labels {
    /// Of what NVML said.
    pub(super) fn of(gpu: &GpuFacts) -> Self {
        Self {
            gpu: gpu.index.to_string(),
            uuid: gpu.uuid.clone().unwrap_or_default(),
            pci_bus_id: gpu.pci_address.as_deref().map(bus_id).unwrap_or_default(),
            device: gpu.minor.map(|minor| format!("nvidia{minor}")).unwrap_or_default(),
            model: gpu.name.clone().unwrap_or_default(),
        }
    }

    /// Of a verdict: the same as its GPU's values have, where there are any.
    pub(super) fn judged(state: &State, verdict: &GpuVerdict) -> Self {
        let same = |gpu: &&GpuFacts| match (&gpu.uuid, &verdict.uuid) {
            (Some(read), Some(judged)) => read == judged,
            _ => gpu.index == verdict.index && gpu.pci_address == verdict.pci_address,
        };
        match gpus(state).iter().find(same) {
            Some(gpu) => Self::of(gpu),
            None => Self {
                gpu: verdict.index.to_string(),
                uuid: verdict.uuid.clone().unwrap_or_default(),
                pci_bus_id: verdict.pci_address.as_deref().map(bus_id).unwrap_or_default(),
                device: String::new(),
                model: verdict.name.clone().unwrap_or_default(),
            },
        }
    }

    /// With a metric's own labels after them.
    pub(super) fn with<'a>(&'a self, own: &[Label<'a>]) -> Vec<Label<'a>> {
        let mut all = vec![
            ("gpu", self.gpu.as_str()),
            ("UUID", &self.uuid),
            ("pci_bus_id", &self.pci_bus_id),
            ("device", &self.device),
            ("modelName", &self.model),
        ];
        all.extend_from_slice(own);
        all
    }
}

/// What NVML said of each GPU last.
pub(super) fn gpus(state: &State) -> &[GpuFacts] {
    state.facts.as_ref().map_or(&[], |facts| &facts.nvml.gpus)
}

/// `0000:c1:00.0` as NVML and dcgm-exporter write it: `00000000:C1:00.0` (`NVML_DEVICE_PCI_BUS_ID_FMT`, nvml.h).
pub(super) fn bus_id(address: &str) -> String {
    let upper = address.to_ascii_uppercase();
    match upper.split_once(':') {
        Some((domain, rest)) => format!("{domain:0>8}:{rest}"),
        None => upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_is_written_as_dcgm_exporter_does() {
        assert_eq!(bus_id("0000:c1:00.0"), "00000000:C1:00.0");
        assert_eq!(bus_id("10000:17:00.0"), "00010000:17:00.0");
        assert_eq!(bus_id("00000000:17:00.0"), "00000000:17:00.0");
        assert_eq!(bus_id(""), "");
    }
}
