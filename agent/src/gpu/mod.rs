//! NVML, read by a worker process with a deadline: nothing else in the agent touches the library.
//!
//! NVML calls end in the kernel and may never come back when a GPU is sick, so the library lives in a child
//! (`bedplate-agent nvml-worker`, the same executable) that tells each call's name before it makes it. A daemon keeps one
//! child and its session from pass to pass ([`Worker`]); a one-shot reading ends it. The parent never waits for ever, not
//! even for a child that the kernel does not let die. Called by [`crate::host`], the daemon and the verb `nvml-worker`; reads
//! only, never changes a GPU's settings.

mod codes;
mod collected;
mod device;
mod event;
mod others;
mod parent;
mod pass;
mod patience;
mod process;
mod progress;
#[cfg(any(test, fuzzing))]
pub(crate) mod property;
mod raw;
mod sleeping;
mod watch;
mod wire;
mod worker;

use bedplate_protocol::facts::{NvmlFacts, NvmlStatus};
pub(crate) use event::{Event, EventKind};
pub(crate) use parent::Worker;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a call may take unless somebody asks for more: all of them together take well under a second on a healthy eight-GPU
/// machine, once its GPUs are initialised.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// How a pass over NVML is made.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// The library's path, where the usual directories are not right.
    pub(crate) library: Option<PathBuf>,
    /// How long one call may take; what that means for a whole pass, [`patience`] says.
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

/// One pass by a worker that ends after it. Without a path the running host's dynamic linker is asked by name; another host's
/// tree has no linker to ask.
pub(crate) fn read(library: Option<&Path>, running_host: bool, deadline: Duration) -> NvmlFacts {
    match (library, running_host) {
        (None, false) => missing(),
        (library, _) => Worker::new(library.map(Path::to_owned)).pass(deadline),
    }
}

/// The process that owns the library, until its parent closes standard input, a socket, or SIGTERM comes. An error is one of that
/// socket or of the signal's.
pub(crate) fn serve(library: &Path) -> io::Result<()> {
    // Before anything of the library is there: from here on SIGTERM ends nothing by itself.
    let (terminated, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, signal)?;
    // A worker must not outlive a parent that was killed. Refusal only means that nobody tidies up.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    let page = progress::Page::inherited()?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    worker::run(library, &socket, &terminated, page)
}

/// Nothing to load.
fn missing() -> NvmlFacts {
    without(NvmlStatus::LibraryMissing {
        detail: format!("{} is in none of the usual directories", crate::host::nvidia::LIBRARY),
    })
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
