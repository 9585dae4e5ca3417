//! A machine's `/dev/kmsg`: a kernel log of its own, because the kernel's real one is the outer machine's.
//!
//! A FUSE file that a process of each machine serves: `bedplate-simulated-kmsg`, started by the machine's supervisor at each
//! boot, ended with it, so that a boot begins with an empty log and nothing outlives the machine. The file system is mounted
//! in the supervisor's mount namespace, where nspawn binds its file `kmsg` over `/dev/kmsg`; its other file, `kernel`, is
//! reached only from outside, through the supervisor's `/proc/<pid>/root`: what is written there, the kernel has said.
//!
//! | module | holds |
//! |---|---|
//! | `record` | one record: what a write means, what a read shows |
//! | `log` | the ring |
//! | `device` | what open, read, write, seek and poll do |
//! | `wire` | the FUSE protocol |
//! | [`serve`] | the process |

mod device;
mod log;
mod record;
pub mod serve;
#[cfg(test)]
mod tests;
mod wire;

use super::process::Process;
use super::{Hosts, HostsError};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The program that serves a machine's kernel log.
#[derive(Debug, Clone)]
pub struct KernelLogServer {
    /// Its file.
    pub program: PathBuf,
}

impl Default for KernelLogServer {
    /// `bedplate-simulated-kmsg` beside the running program, where cargo puts it.
    fn default() -> Self {
        let beside = std::env::current_exe().unwrap_or_default();
        Self {
            program: beside.with_file_name("bedplate-simulated-kmsg"),
        }
    }
}

/// The kernel could not say something.
#[derive(Debug, thiserror::Error)]
pub enum KernelLogError {
    /// The machine is off.
    #[error("the machine does not run, so its kernel says nothing; start it with power_on")]
    Off,
    /// Its server did not take it.
    #[error(
        "the machine's kernel log took no record ({source}); a record has at most {} bytes, and its server's last words are in console.log beside it",
        record::LONGEST
    )]
    Refused {
        /// Why.
        source: io::Error,
    },
}

/// The directory that the server mounts on, in a machine's folder.
pub(super) fn mount_point(host: &Path) -> PathBuf {
    host.join("kmsg")
}

/// What is bound over the machine's `/dev/kmsg`.
pub(super) fn device(host: &Path) -> PathBuf {
    mount_point(host).join(device::KMSG)
}

impl Hosts {
    /// Has a machine's kernel say `text`: one record a line, of facility kern, level warning unless the line begins with `<N>`.
    /// When this returns, whoever waits for the log has been woken.
    pub fn kernel_log(&self, name: &str, text: &str) -> Result<(), HostsError> {
        let host = self.host(self.record(name)?);
        let supervisor = Process::read(&host.join("supervisor.pid")).filter(|process| process.runs());
        let supervisor = supervisor.ok_or(KernelLogError::Off)?;
        let refused = |source| KernelLogError::Refused { source };
        let inside = mount_point(&host).join(device::KERNEL);
        let mut path = supervisor.root().into_os_string();
        path.push(inside);
        let mut kernel = File::options().write(true).open(path).map_err(refused)?;
        for line in text.lines() {
            let taken = kernel.write(line.as_bytes()).map_err(refused)?;
            if taken != line.len() {
                return Err(refused(io::ErrorKind::WriteZero.into()).into());
            }
        }
        Ok(())
    }
}
