//! What the NVML worker writes to its standard output, one JSON value a line. Called by [`super::worker`] and
//! [`super::parent`] only: both ends are the same executable, so there is no version to agree on.

use bedplate_protocol::facts::GpuFacts;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub(super) enum Line {
    /// Written before a call, so that a call that never comes back has a name.
    Calling {
        /// `nvmlDeviceGetUUID(0)`.
        call: String,
    },
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
    /// Versions, and how many GPUs follow.
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
    Gpu {
        /// Its values.
        gpu: Box<GpuFacts>,
    },
    /// Nothing follows.
    Done,
}
