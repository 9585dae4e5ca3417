//! Machines that do not exist: real systemd, real OpenSSH and a real network, in namespaces of this machine.
//!
//! [`Hosts`] makes them, reboots them, cuts their power and removes them without a trace. What differs from a bare machine
//! is in the mount namespace that is built here; nothing that later logs in to a machine is told. It never writes outside
//! its cache folder, one named network namespace and one cgroup subtree. Called by `bedplate rehearse` and by the tests.
//!
//! | module | holds |
//! |---|---|
//! | [`spec`] | the config's `simulated` section |
//! | `prepare`, `tools`, `inotify` | what must be there first, as findings |
//! | `up`, `power` | making and starting; off, on, reboot, down |
//! | `access` | reaching a machine |
//! | [`rootfs`] | the Debian that all machines share |
//! | [`network`], [`cgroup`] | the namespace with its bridge; the machines' cgroups |
//! | [`host`], [`gpu`] | what makes one machine itself; its simulated GPUs |
//! | [`kernel_log`] | its `/dev/kmsg`, and speaking as its kernel |
//! | [`nspawn`], `process` | the supervisor script; ending what was started |
//! | [`census`] | what the outer machine has, before and after |
//! | `state`, [`command`] | what is kept on disk; outside programs |

mod access;
pub mod census;
pub mod cgroup;
mod codes;
pub mod command;
pub mod gpu;
pub mod host;
mod inotify;
pub mod kernel_log;
pub mod network;
pub mod nspawn;
mod power;
mod prepare;
mod process;
pub mod rootfs;
pub mod spec;
pub mod state;
mod tools;
mod up;

pub use access::Access;
pub use codes::CODES;
pub use gpu::SimulatedNvml;
pub use kernel_log::KernelLogServer;
pub use spec::Spec;

use state::{HostRecord, Lock, State, StateError};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Something went wrong with machines that had passed every check.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant is the error of the module it is named after")]
pub enum HostsError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Rootfs(#[from] rootfs::RootfsError),
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    #[error(transparent)]
    Cgroup(#[from] cgroup::CgroupError),
    #[error(transparent)]
    Host(#[from] host::HostError),
    #[error(transparent)]
    Gpu(#[from] gpu::GpuError),
    #[error(transparent)]
    Start(#[from] nspawn::StartError),
    #[error(transparent)]
    Command(#[from] command::CommandError),
    #[error(transparent)]
    KernelLog(#[from] kernel_log::KernelLogError),
    #[error(
        "process {0} was killed {1} s ago and is still there; look at `cat /proc/{0}/stack`, then repeat `bedplate rehearse --down`"
    )]
    Unkillable(i32, u64),
    #[error(
        "there is no machine `{0}` in this rehearsal; `bedplate rehearse --keep <config>` makes those of the config"
    )]
    Unknown(String),
    #[error("{name} ({address}) did not {what} within {seconds} s; its console: {console}")]
    Silent {
        name: String,
        address: Ipv4Addr,
        what: &'static str,
        seconds: u64,
        console: String,
    },
}

/// What stands beside the config.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the root file system and the rehearsals lie; `$BEDPLATE_CACHE`, else `~/.cache/bedplate`.
    pub cache: Option<PathBuf>,
    /// The library that stands where NVIDIA's driver puts NVML.
    pub nvml: SimulatedNvml,
    /// The program that serves each machine's kernel log.
    pub kernel_log: KernelLogServer,
}

/// The machines of one rehearsal. While it lives it holds the rehearsal's lock.
#[derive(Debug)]
pub struct Hosts {
    name: String,
    directory: PathBuf,
    state: State,
    mirror: Option<String>,
    nvml: SimulatedNvml,
    kernel_log: KernelLogServer,
    /// Dropped last: with the folder gone, its file goes too.
    _lock: Lock,
}

impl Hosts {
    fn host(&self, record: &HostRecord) -> PathBuf {
        self.directory.join("hosts").join(&record.name)
    }

    fn record(&self, name: &str) -> Result<&HostRecord, HostsError> {
        self.state
            .hosts
            .iter()
            .find(|record| record.name == name)
            .ok_or_else(|| HostsError::Unknown(name.to_owned()))
    }
}
