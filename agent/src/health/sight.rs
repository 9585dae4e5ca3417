//! What one observation could look at. Only what was looked at and not found is gone. Data; the daemon makes it.

use super::Sense;
use bedplate_protocol::facts::{GpuFacts, NvmlStatus};
use bedplate_protocol::{GpuVerdict, NodeFacts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A life of the driver: from its loading to its next, within one boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Era {
    /// `/proc/sys/kernel/random/boot_id`.
    pub(crate) boot_id: String,
    /// The inode of `/sys/module/nvidia`, which sysfs gives anew each time the module is loaded; absent while it is not.
    pub(crate) driver: Option<u64>,
}

/// What was looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    /// When in the driver's life.
    pub(crate) era: Era,
    /// What was looked at.
    pub(crate) senses: BTreeSet<Sense>,
    /// The GPUs that were read to the end, by every name they have: UUID, PCI address, `gpu-N`.
    pub(crate) read: BTreeSet<String>,
    /// The GPUs that were there at all, the same way.
    pub(crate) there: BTreeSet<String>,
    /// GPUs that were reset since the observation before, the same way.
    pub(crate) reset: BTreeSet<String>,
    /// GPUs of which the driver has said since their XIDs that nothing is to be done, the same way.
    pub(crate) withdrawn: BTreeSet<String>,
    /// Whether it was made so soon after another that both are one where several in a row are asked for.
    pub(crate) early: bool,
    /// Whether as many GPUs are there as somebody expects.
    pub(crate) counted: bool,
    /// Whether what was looked at is a GPU that the list of GPUs no longer changes by: false while NVML did not answer.
    pub(crate) complete: bool,
}

impl Sight {
    /// What a pass over NVML with these facts could see. Where there is nothing to look at, looking at nothing is enough.
    pub(crate) fn of_pass(facts: &NodeFacts, nothing_there: bool) -> Self {
        let mut sight = Self::default();
        sight.senses.insert(Sense::Nvml);
        let ready = facts.nvml.status == NvmlStatus::Ready;
        if ready || nothing_there {
            sight.senses.insert(Sense::Gpu);
            sight.complete = true;
        }
        for gpu in &facts.nvml.gpus {
            sight.there.extend(names(gpu));
            if ready && gpu.errors.is_empty() {
                sight.read.extend(names(gpu));
            }
        }
        sight
    }

    /// The same with one more sense.
    #[must_use]
    pub(crate) fn and(mut self, sense: Sense) -> Self {
        self.senses.insert(sense);
        self
    }

    /// The same at this time of the driver's life.
    #[must_use]
    pub(crate) fn during(mut self, era: Era) -> Self {
        self.era = era;
        self
    }
}

fn names(gpu: &GpuFacts) -> impl Iterator<Item = String> {
    let index = Some(format!("gpu-{}", gpu.index));
    [gpu.uuid.clone(), gpu.pci_address.clone(), index].into_iter().flatten()
}

/// The part of a subject that names a GPU: `GPU-…`, a PCI address or `gpu-N` after the host's name.
pub(super) fn gpu_of(subject: &str) -> Option<&str> {
    subject.split_once('/').map(|(_, gpu)| gpu)
}

/// Whether a finding's subject is this GPU.
pub(crate) fn is_about(subject: &str, gpu: &GpuVerdict) -> bool {
    gpu_of(subject).is_some_and(|name| {
        gpu.uuid.as_deref() == Some(name)
            || gpu.pci_address.as_deref() == Some(name)
            || name.strip_prefix("gpu-").and_then(|index| index.parse().ok()) == Some(gpu.index)
    })
}
