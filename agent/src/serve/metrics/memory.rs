//! The health of a GPU's memory: ECC errors, remapped rows, retired pages. Called by [`super::text`] only.

use super::super::exposition::{Exposition, Kind, Metric};
use super::labels::{Labels, gpus};
use super::{flag, whole};
use crate::daemon::State;
use bedplate_protocol::facts::GpuFacts;

const ECC: Metric = Metric {
    name: "bedplate_gpu_ecc_enabled",
    kind: Kind::Gauge,
    help: "Whether ECC is on.",
};
const ECC_ERRORS: Metric = Metric {
    name: "bedplate_gpu_ecc_errors_total",
    kind: Kind::Counter,
    help: "ECC errors of all memory: volatile since the driver was loaded, aggregate over the card's life.",
};
const SRAM: Metric = Metric {
    name: "bedplate_gpu_ecc_sram_threshold_exceeded",
    kind: Kind::Gauge,
    help: "Whether SRAM errors are past the threshold at which NVIDIA wants the card examined.",
};
const ROWS: Metric = Metric {
    name: "bedplate_gpu_remapped_rows",
    kind: Kind::Gauge,
    help: "Rows of memory that were remapped, by the kind of the errors that caused it.",
};
const ROWS_PENDING: Metric = Metric {
    name: "bedplate_gpu_row_remapping_pending",
    kind: Kind::Gauge,
    help: "Whether a remapped row waits for a reset of the GPU.",
};
const ROWS_FAILED: Metric = Metric {
    name: "bedplate_gpu_row_remapping_failed",
    kind: Kind::Gauge,
    help: "Whether a row could not be remapped: the card must be replaced.",
};
const PAGES: Metric = Metric {
    name: "bedplate_gpu_retired_pages",
    kind: Kind::Gauge,
    help: "Pages of memory that were retired, by the kind of the errors that caused it; GPUs before row remapping.",
};
const PAGES_PENDING: Metric = Metric {
    name: "bedplate_gpu_retired_pages_pending",
    kind: Kind::Gauge,
    help: "Whether a retired page waits for a reboot.",
};

pub(super) fn write(text: &mut Exposition<'_>, state: &State) {
    let all: Vec<_> = gpus(state).iter().map(|gpu| (gpu, Labels::of(gpu))).collect();
    let mut one = |metric: &Metric, value: fn(&GpuFacts) -> Option<bool>| {
        for (gpu, labels) in &all {
            if let Some(holds) = value(gpu) {
                text.sample(metric, &labels.with(&[]), flag(holds));
            }
        }
    };
    one(&ECC, |gpu| gpu.ecc_enabled);
    one(&SRAM, |gpu| gpu.ecc_sram_threshold_exceeded);
    one(&ROWS_PENDING, |gpu| gpu.row_remapping.map(|rows| rows.pending));
    one(&ROWS_FAILED, |gpu| gpu.row_remapping.map(|rows| rows.failed));
    one(&PAGES_PENDING, |gpu| gpu.retired_pages.map(|pages| pages.pending));
    for (gpu, labels) in &all {
        for (kind, lifetime, count) in [
            ("corrected", "volatile", gpu.ecc_corrected_volatile),
            ("uncorrected", "volatile", gpu.ecc_uncorrected_volatile),
            ("uncorrected", "aggregate", gpu.ecc_uncorrected_aggregate),
        ] {
            if let Some(count) = count {
                let own = [("type", kind), ("lifetime", lifetime)];
                text.sample(&ECC_ERRORS, &labels.with(&own), whole(count));
            }
        }
    }
    for (gpu, labels) in &all {
        if let Some(rows) = gpu.row_remapping {
            for (cause, count) in [("correctable", rows.correctable), ("uncorrectable", rows.uncorrectable)] {
                text.sample(&ROWS, &labels.with(&[("cause", cause)]), f64::from(count));
            }
        }
    }
    for (gpu, labels) in &all {
        if let Some(pages) = gpu.retired_pages {
            for (cause, count) in [("single-bit", pages.single_bit), ("double-bit", pages.double_bit)] {
                text.sample(&PAGES, &labels.with(&[("cause", cause)]), f64::from(count));
            }
        }
    }
}
