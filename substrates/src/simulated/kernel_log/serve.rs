//! The server's process: mounts the file system, answers the kernel until it is unmounted or killed, and keeps nothing.
//!
//! One thread, one descriptor, no file: a machine's log is gone with its server, as a kernel's is with its power.

use super::device::{Around, Device};
use super::wire::{self, Request};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::time::{ClockId, clock_gettime};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// The server could not begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// FUSE's device.
    #[error("/dev/fuse: {0}; load the module (`modprobe fuse`) and run as root")]
    Device(io::Error),
    /// mount(2).
    #[error("the kernel log cannot be mounted at {path}: {source}; run as root, on a directory of no other mount")]
    Mount {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process that started this one has ended; nobody would end this one.
    #[error("the machine has ended already")]
    Orphan,
    /// prctl(2), or the kernel's side of the connection.
    #[error("the kernel's requests cannot be read or answered: {0}")]
    Connection(io::Error),
}

struct ThisMachine;

impl Around for ThisMachine {
    fn now(&self) -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).unwrap_or_default()
    }

    /// As a kernel with `kernel.dmesg_restrict=1`, Debian's default: `CAP_SYSLOG` is 34 (linux/capability.h).
    fn may_read(&self, pid: u32) -> bool {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        effective.is_some_and(|bits| bits >> 34 & 1 == 1)
    }
}

/// Serves a machine's kernel log at `directory` until it is unmounted there. Ends with the process that started it.
pub fn serve(directory: &Path) -> Result<(), ServeError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| ServeError::Connection(error.into()))?;
    if getppid().is_none_or(Pid::is_init) {
        return Err(ServeError::Orphan);
    }
    let fuse = File::options()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map_err(ServeError::Device)?;
    let failed = |source: io::Error| ServeError::Mount {
        path: directory.to_owned(),
        source,
    };
    // Everybody may ask; who may do what is in the files' modes and the server.
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
        fuse.as_raw_fd()
    );
    let options = CString::new(options).map_err(|error| failed(error.into()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("kmsg", directory, "fuse", flags, options.as_c_str()).map_err(|error| failed(error.into()))?;
    let mut device = Device::default();
    // A kernel's first words are its version.
    let version = fs::read("/proc/version").map_err(ServeError::Connection)?;
    for answer in device.kernel_says(&[b"<5>".as_slice(), &version].concat(), &ThisMachine) {
        tell(&fuse, &answer)?;
    }
    let mut buffer = vec![0; wire::BUFFER];
    loop {
        let length = match (&fuse).read(&mut buffer) {
            Ok(length) => length,
            Err(error) => match Errno::from_io_error(&error) {
                // ENOENT: the request was withdrawn before it could be read.
                Some(Errno::INTR | Errno::NOENT | Errno::AGAIN) => continue,
                Some(Errno::NODEV) => return Ok(()),
                _ => return Err(ServeError::Connection(error)),
            },
        };
        if let Some(request) = Request::read(&buffer[..length]) {
            for answer in device.answer(&request, &ThisMachine) {
                tell(&fuse, &answer)?;
            }
        }
    }
}

/// ENOENT: who asked, or who polled, is gone.
fn tell(mut fuse: &File, answer: &[u8]) -> Result<(), ServeError> {
    match fuse.write(answer) {
        Ok(_) => Ok(()),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(()),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Ok(()),
        Err(error) => Err(ServeError::Connection(error)),
    }
}
