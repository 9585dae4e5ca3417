//! What parent and NVML worker say to each other over a socket, one JSON value a line. Called by [`super::worker`] and
//! [`super::parent`] only: both ends are the same executable, so there is no version to agree on.

use super::Event;
use bedplate_protocol::facts::GpuFacts;
use serde::{Deserialize, Serialize};

/// From the parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub(super) enum Request {
    /// Read everything once.
    Pass {
        /// PCI addresses of GPUs that must not be asked.
        asleep: Vec<String>,
        /// PCI addresses of the others; empty where sysfs does not tell.
        awake: Vec<String>,
        /// Tell events from this pass on.
        watch: bool,
    },
}

/// From the worker: a [`Line::Gpu`] without a copy of its values.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BorrowedLine<'a> {
    /// As [`Line::Gpu`].
    Gpu(&'a GpuFacts),
}

/// From the worker. What kind of line it is stands in front, `{"gpu":{…}}`: of a kind that may stand anywhere in it, serde makes a copy
/// of each value before it knows the type, and a second reader of every type, for what is read at each pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// The library could not be loaded; the last line.
    LibraryMissing {
        /// The loader's words.
        detail: String,
    },
    /// `nvmlInit` or the count of GPUs failed; the last line.
    InitFailed {
        /// NVML's return code.
        code: Option<i32>,
        /// NVML's words.
        detail: String,
    },
    /// A pass begins: versions, and how many GPUs follow.
    System {
        /// `580.95.05`.
        driver: Option<String>,
        /// NVML's own version.
        nvml: Option<String>,
        /// `13.0`.
        cuda: Option<String>,
        /// How many GPUs NVML counts.
        gpus: u32,
    },
    /// One GPU, completely read.
    Gpu(Box<GpuFacts>),
    /// The pass is over.
    Done,
    /// Something happened, at any time.
    Event(Event),
}
