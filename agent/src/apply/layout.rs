//! Where everything of the agent lies on a host, below a root that is `/` but in tests.

use bedplate_protocol::{Mode, RunId};
use std::path::{Path, PathBuf};

/// The places. Nothing is made here.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Below this directory.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The host's path for an absolute path.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What outlives a reboot, 0700.
    pub(crate) fn state(&self) -> PathBuf {
        self.at("/var/lib/bedplate")
    }

    /// What does not, 0700.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.at("/run/bedplate")
    }

    /// All runs of a mode. Looking leaves nothing on the disk.
    pub(crate) fn runs(&self, mode: Mode) -> PathBuf {
        match mode {
            Mode::Change => self.state().join("runs"),
            Mode::Inspect => self.runtime().join("runs"),
        }
    }

    /// One run.
    pub(crate) fn run(&self, mode: Mode, run: &RunId) -> PathBuf {
        self.runs(mode).join(run.as_str())
    }

    /// The run's journal.
    pub(crate) fn journal(&self, mode: Mode, run: &RunId) -> PathBuf {
        self.run(mode, run).join("journal.jsonl")
    }

    /// The run's plan.
    pub(crate) fn plan(&self, run: &RunId) -> PathBuf {
        self.run(Mode::Change, run).join("plan.json")
    }

    /// Its existence asks the executor to stop between two steps.
    pub(crate) fn cancel(&self, mode: Mode, run: &RunId) -> PathBuf {
        self.run(mode, run).join("cancel")
    }

    /// The run's values.
    pub(crate) fn values(&self, run: &RunId) -> PathBuf {
        self.runtime().join("values").join(format!("{run}.json"))
    }

    /// The artifact store.
    pub(crate) fn artifacts(&self) -> PathBuf {
        self.state().join("artifacts")
    }

    /// The newest epoch seen.
    pub(crate) fn epoch(&self) -> PathBuf {
        self.state().join("epoch")
    }

    /// The name of the run that has begun and not ended.
    pub(crate) fn active(&self) -> PathBuf {
        self.state().join("active-run")
    }

    /// Held by the one executor.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state().join("apply.lock")
    }
}

/// The kernel's name for this boot.
pub(crate) fn boot_id(layout: &Layout) -> String {
    let text = std::fs::read_to_string(layout.at("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
    text.trim().to_owned()
}
