//! Which NVML call a worker is in, told through one page of memory: a call costs one `pwrite`, not a line through a pipe that
//! somebody must read. Written by [`super::worker`], read by [`super::parent`] and, where it lies in a folder, by whoever wants to
//! start another worker ([`super::others`]).
//!
//! The page is the worker's standard output, opened for reading only, so whatever a library prints goes nowhere; the worker opens it
//! again for writing and holds a lock on it for as long as it lives.

use jiff::Timestamp;
use rustix::fs::{FlockOperation, MemfdFlags, OFlags, flock};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Two times eight bytes for when the call began, one for the length of its name, then the name.
const SIZE: usize = 128;
/// Microseconds since 1970, for people; after it microseconds since the machine's start, which nobody can set.
const CLOCK: usize = 8;
const LENGTH: usize = 16;
const NAME: usize = 17;
/// The parent's part: the worker's process id, and after how many seconds a call counts as hung.
const OWNER: usize = 120;

/// The page.
#[derive(Debug)]
pub(super) struct Page {
    file: File,
    /// Where it lies, if it has a name; its maker takes it away.
    path: Option<PathBuf>,
    /// The process has been asked to end and does so before its next call.
    ending: AtomicBool,
}

/// A call that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnderWay {
    /// `nvmlDeviceGetUUID(0)`.
    pub(super) call: String,
    /// When it began.
    pub(super) since: Timestamp,
    /// How long ago that was when it was read.
    pub(super) age: Duration,
}

/// What the parent says of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// The worker's process id.
    pub(super) pid: u32,
    /// After how many seconds one call counts as hung.
    pub(super) deadline_seconds: u32,
}

impl Page {
    /// A new page for one worker, without a name.
    pub(super) fn create() -> io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("bedplate-nvml-call", MemfdFlags::CLOEXEC)?);
        file.set_len(SIZE as u64)?;
        Ok(Self::of(file, None))
    }

    /// A new page for one worker where others find it. It has its size only once it is locked: an empty one is none yet.
    pub(super) fn create_at(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        let page = Self::of(options.open(path)?, Some(path.to_owned()));
        flock(&page.file, FlockOperation::NonBlockingLockShared)?;
        page.file.set_len(SIZE as u64)?;
        Ok(page)
    }

    /// The page of somebody else, where its worker or its maker lives. One of which nobody is left is taken away.
    pub(super) fn of_another(path: &Path) -> io::Result<Option<Self>> {
        let mut options = File::options();
        let file = options
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        if file.metadata()?.len() != SIZE as u64 {
            return Ok(None);
        }
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            std::fs::remove_file(path)?;
            return Ok(None);
        }
        Ok(Some(Self::of(file, None)))
    }

    /// The page that this process got as its standard output, locked until the process ends.
    pub(super) fn inherited() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/proc/self/fd/1")?;
        // Its maker has locked it the same way. Without the lock a hung worker is only not seen by others.
        let _ = flock(&file, FlockOperation::NonBlockingLockShared);
        Ok(Self::of(file, None))
    }

    fn of(file: File, path: Option<PathBuf>) -> Self {
        Self {
            file,
            path,
            ending: AtomicBool::new(false),
        }
    }

    /// The page as the standard output of a child.
    pub(super) fn for_child(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(File::open(format!(
            "/proc/self/fd/{}",
            self.file.as_raw_fd()
        ))?))
    }

    /// Says that a call begins; a process that was asked to end does so here instead, between two calls. A failure to write costs
    /// a hung call its name and nothing else.
    pub(super) fn announce(&self, call: &str, gpu: Option<u32>) {
        if self.ending.load(Ordering::Relaxed) {
            std::process::exit(0);
        }
        let mut page = [0_u8; OWNER];
        page[..CLOCK].copy_from_slice(&now().to_ne_bytes());
        page[CLOCK..LENGTH].copy_from_slice(&uptime().to_ne_bytes());
        let mut name = &mut page[NAME..];
        let free = name.len();
        // A name that does not fit is cut, which the length tells. Formatting both at once would cost more than all else here.
        let _ = name.write_all(call.as_bytes());
        if let Some(index) = gpu {
            let _ = write!(name, "({index})");
        }
        let length = free - name.len();
        page[LENGTH] = u8::try_from(length).unwrap_or(u8::MAX);
        // What an earlier name has left behind this one is not read.
        let _ = self.file.write_at(&page[..NAME + length], 0);
    }

    /// Says that no call is under way any more.
    pub(super) fn rest(&self) {
        let _ = self.file.write_at(&[0; OWNER], 0);
    }

    /// From now on no call begins.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// The call that is under way.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        let mut page = [0_u8; OWNER];
        self.file.read_exact_at(&mut page, 0).ok()?;
        let began = u64::from_ne_bytes(page[..CLOCK].try_into().ok()?);
        let clock = u64::from_ne_bytes(page[CLOCK..LENGTH].try_into().ok()?);
        let name = page.get(NAME..NAME + usize::from(page[LENGTH]))?;
        if began == 0 || name.is_empty() {
            return None;
        }
        Some(UnderWay {
            call: String::from_utf8_lossy(name).into_owned(),
            since: Timestamp::from_microsecond(i64::try_from(began).ok()?).ok()?,
            age: Duration::from_micros(uptime().saturating_sub(clock)),
        })
    }

    /// Says whose page it is.
    pub(super) fn own(&self, owner: Owner) {
        let mut bytes = [0_u8; SIZE - OWNER];
        bytes[..4].copy_from_slice(&owner.pid.to_ne_bytes());
        bytes[4..].copy_from_slice(&owner.deadline_seconds.to_ne_bytes());
        // Without it others start a worker of their own beside a hung one, as if there were no page.
        let _ = self.file.write_at(&bytes, OWNER as u64);
    }

    /// Whose page it is; nothing while nobody has said so.
    pub(super) fn owner(&self) -> Option<Owner> {
        let mut bytes = [0_u8; SIZE - OWNER];
        self.file.read_exact_at(&mut bytes, OWNER as u64).ok()?;
        let pid = u32::from_ne_bytes(bytes[..4].try_into().ok()?);
        let deadline_seconds = u32::from_ne_bytes(bytes[4..].try_into().ok()?);
        (pid != 0).then_some(Owner { pid, deadline_seconds })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What is left is found unlocked by the next who looks, and taken away then.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since the machine's start, its sleep included, to a hundredth of a second the same in every process; no one sets it.
/// Read anew each second, because the process's own clock, which carries it on at no cost, stops while the machine sleeps.
fn uptime() -> u64 {
    const FRESH: Duration = Duration::from_secs(1);
    static READ: Mutex<Option<(Instant, Duration)>> = Mutex::new(None);
    let mut known = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let (at, uptime) = match *known {
        Some(read) if read.0.elapsed() < FRESH => read,
        _ => {
            // proc(5): "the uptime of the system (seconds)". Without it ages are too small, and a pass has a bound of its own.
            let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
            let seconds = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
            let uptime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            *known.insert((Instant::now(), uptime.unwrap_or_default()))
        }
    };
    u64::try_from((uptime + at.elapsed()).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn the_call_under_way_is_told_with_when_it_began_and_a_rest_is_none() {
        let page = Page::create().unwrap();
        assert_eq!(page.under_way(), None, "nothing has begun");
        let before = Timestamp::now();
        page.announce("nvmlInit_v2", None);
        page.announce("nvmlDeviceGetUUID", Some(7));
        std::thread::sleep(Duration::from_millis(20));
        let seen = page.under_way().unwrap();
        assert_eq!(seen.call, "nvmlDeviceGetUUID(7)");
        assert!(seen.since >= before.checked_sub(Duration::from_millis(1)).unwrap() && seen.since <= Timestamp::now());
        assert!((Duration::from_millis(20)..Duration::from_secs(20)).contains(&seen.age));
        let owner = Owner {
            pid: 4711,
            deadline_seconds: 10,
        };
        page.own(owner);
        page.rest();
        assert_eq!((page.under_way(), page.owner()), (None, Some(owner)));
    }

    #[test]
    fn what_a_library_prints_neither_grows_the_page_nor_changes_it() {
        let page = Page::create().unwrap();
        page.announce("nvmlInit_v2", None);
        let printed = Command::new("sh")
            .args(["-c", "echo NVRM: hello"])
            .stdout(page.for_child().unwrap())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!printed.success(), "the page took it");
        assert_eq!(page.file.metadata().unwrap().len(), SIZE as u64);
        assert_eq!(page.under_way().unwrap().call, "nvmlInit_v2");
    }

    proptest! {
        #[test]
        fn any_page_is_survived(bytes in proptest::collection::vec(any::<u8>(), SIZE)) {
            let page = Page::create().unwrap();
            page.file.write_at(&bytes, 0).unwrap();
            page.under_way();
            page.owner();
        }
    }
}
