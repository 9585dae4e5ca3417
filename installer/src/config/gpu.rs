//! `gpu:`, what is done with GPUs. Called by the room's `mod`.

use super::reader::{Reader, Table};
use saphyr::MarkedYaml;

/// The most pods that may share a GPU: the project's own limit. Time-slicing has none, but beyond this number each pod's
/// share of an 80 GB GPU is under 1.7 GB: surely a slip.
const MAX_REPLICAS: u32 = 48;

/// GPUs in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GpuSpec {
    /// How GPUs are shared; without it each pod gets whole ones.
    pub time_slicing: Option<TimeSlicing>,
}

/// Several pods take turns on one GPU. There is no memory isolation between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSlicing {
    /// How often each GPU is offered.
    pub replicas: u32,
}

pub(in crate::config) fn read(node: Option<&MarkedYaml<'_>>, reader: &mut Reader<'_>) -> GpuSpec {
    let slicing = node
        .and_then(|node| Table::read(node, "gpu", reader))
        .and_then(|table| table.get("timeSlicing"))
        .and_then(|node| Table::read(node, "gpu.timeSlicing", reader));
    let Some(table) = slicing else {
        return GpuSpec::default();
    };
    if table.get("replicas").is_none() {
        table.missing("replicas", reader);
    }
    let replicas = table.number("replicas", &(1..=MAX_REPLICAS), reader);
    GpuSpec {
        time_slicing: replicas.map(|replicas| TimeSlicing { replicas }),
    }
}
