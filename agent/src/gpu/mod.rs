//! NVML, read by a worker process with a deadline: nothing else in the agent touches the library.
//!
//! NVML calls end in the kernel and may never come back when a GPU is sick, so the library lives in a child
//! (`bedplate-agent nvml-worker`, the same executable) that says each call's name before it makes it. The parent never
//! waits for ever, not even for a child that the kernel does not let die. Called by [`crate::host`] and by the verb
//! `nvml-worker`; reads only, never changes a GPU's settings.

mod parent;
mod wire;
mod worker;

use crate::host::nvidia::LIBRARY;
use bedplate_protocol::facts::{NvmlFacts, NvmlStatus};
pub(crate) use parent::DEADLINE;
use std::path::{Path, PathBuf};
use std::time::Duration;
pub(crate) use worker::serve;

/// How a pass over NVML is made.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// The library's path, where the usual directories are not right.
    pub(crate) library: Option<PathBuf>,
    /// How long the whole pass may take.
    pub(crate) deadline: Duration,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            library: None,
            deadline: DEADLINE,
        }
    }
}

/// One pass. Without a path the running host's dynamic linker is asked by name; another host's tree has no linker to ask.
pub(crate) fn read(library: Option<&Path>, running_host: bool, deadline: Duration) -> NvmlFacts {
    match library {
        Some(path) => parent::read(path, deadline),
        None if running_host => parent::read(Path::new(LIBRARY), deadline),
        None => without(NvmlStatus::LibraryMissing {
            detail: format!("{LIBRARY} is in none of the usual directories"),
        }),
    }
}

/// What is known of NVML when only its status is.
fn without(status: NvmlStatus) -> NvmlFacts {
    NvmlFacts {
        status,
        driver_version: None,
        nvml_version: None,
        cuda_driver_version: None,
        gpus: Vec::new(),
    }
}
