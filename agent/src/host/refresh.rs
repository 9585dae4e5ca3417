//! The host's facts again and again: what changes is read at each look, the rest (units, new processes, disks) once a minute.
//!
//! Reads only, judges nothing. NVML is the caller's. Called by the daemon.

use super::services::Units;
use super::{Tree, blocked, nvidia, pressure, procfs, read_beside, sysfs};
use bedplate_protocol::NodeFacts;
use bedplate_protocol::facts::{NvmlFacts, NvmlStatus};
use jiff::Timestamp;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Asking systemd and walking `/proc` cost a hundred times what the rest does; nothing in them is judged by less than minutes.
const WHOLE: Duration = Duration::from_mins(1);

/// What was read last.
#[derive(Debug)]
pub(crate) struct Refresh {
    root: PathBuf,
    last: Option<(Instant, NodeFacts)>,
    units: Units,
}

impl Refresh {
    /// Nothing yet of the host whose root directory this is.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            last: None,
            units: Units::default(),
        }
    }

    /// One look, with what NVML said before it, and whether everything was read for it; `closely` reads everything, however lately it was
    /// read.
    pub(crate) fn look(&mut self, nvml: NvmlFacts, closely: bool) -> (NodeFacts, bool) {
        let now = Instant::now();
        let tree = Tree::new(&self.root);
        match &mut self.last {
            Some((at, facts)) if !closely && now.duration_since(*at) < WHOLE => {
                facts.nvidia_pci = sysfs::nvidia_devices(&tree);
                facts.nvidia = nvidia::again(&tree, &nvml.status, &facts.nvidia);
                facts.memory = procfs::memory(&tree);
                facts.pressure = pressure::read(&tree);
                facts.blocked_processes = blocked::again(&tree, &facts.blocked_processes);
                facts.time.now = Timestamp::now();
                let mut again = facts.clone();
                let more = tree.into_unreadable().into_iter();
                again
                    .unreadable
                    .extend(more.filter(|line| !facts.unreadable.contains(line)));
                again.nvml = nvml;
                (again, false)
            }
            last => {
                let services = self.units.look(&tree, closely);
                let facts = read_beside(tree, nvml, services);
                let mut kept = facts.clone();
                // The caller has the newest; another copy of it here would only cost memory.
                kept.nvml = NvmlFacts {
                    status: NvmlStatus::Ready,
                    driver_version: None,
                    nvml_version: None,
                    cuda_driver_version: None,
                    gpus: Vec::new(),
                };
                *last = Some((now, kept));
                (facts, true)
            }
        }
    }

    /// What sysfs gives anew each time the nvidia module is loaded; absent while it is not.
    pub(crate) fn driver_load(&self) -> Option<u64> {
        std::fs::metadata(self.root.join("sys/module/nvidia"))
            .ok()
            .map(|there| there.ino())
    }
}
