//! The scenario file: where it is, and reading it again when it changes. Called by `state` only.

use std::ffi::{CStr, OsStr};
use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Current;
use crate::scenario::Scenario;

/// A scenario is a page of text; more is a mistake.
const LARGEST: u64 = 1 << 20;

/// How long a reader waits for a writer that holds the lock.
const WRITER_PATIENCE: Duration = Duration::from_secs(1);

/// The file and what was last read of it.
pub(crate) struct Source {
    path: Option<PathBuf>,
    seen: Option<Stamp>,
    scenario: Option<Arc<Current>>,
    said: Option<String>,
}

/// What of a file's metadata changes when its text does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Source {
    pub(crate) const fn new() -> Self {
        Self {
            path: None,
            seen: None,
            scenario: None,
            said: None,
        }
    }

    /// Where it is, once it was looked for.
    pub(crate) const fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// Whether the file was there once and is not any more.
    pub(crate) fn is_gone(&self) -> bool {
        let gone = |path: &PathBuf| fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        self.seen.is_some() && self.path.as_ref().is_some_and(gone)
    }

    /// The scenario as it is now. A file that cannot be used leaves the last good scenario in force, so that an edit half done by hand
    /// is not a fault of its own.
    pub(crate) fn current(&mut self) -> Option<Arc<Current>> {
        if let Err(why) = self.refresh()
            && self.said.as_ref() != Some(&why)
        {
            eprintln!("libnvidia-ml.so.1 (answers from a scenario): {why}");
            self.said = Some(why);
        }
        self.scenario.clone()
    }

    fn refresh(&mut self) -> Result<(), String> {
        if self.path.is_none() {
            self.path = Some(beside(&own_path().ok_or("the library cannot find its own path")?)?);
        }
        let Some(path) = self.path.as_deref() else {
            return Ok(());
        };
        let stamp = Stamp::of(path)?;
        if self.seen == Some(stamp) {
            return Ok(());
        }
        let scenario = Scenario::parse(&read(path)?, path).map_err(|error| error.to_string())?;
        self.scenario = Some(Arc::new(Current {
            scenario,
            written: stamp.written(),
        }));
        self.seen = Some(stamp);
        self.said = None;
        Ok(())
    }
}

impl Stamp {
    /// When the file was last written.
    fn written(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.modified;
        let since = Duration::new(
            u64::try_from(seconds).unwrap_or_default(),
            u32::try_from(nanoseconds).unwrap_or_default(),
        );
        SystemTime::UNIX_EPOCH
            .checked_add(since)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn of(path: &Path) -> Result<Self, String> {
        let file =
            fs::metadata(path).map_err(|error| format!("{}: {error}; put the scenario there", path.display()))?;
        Ok(Self {
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

fn read(path: &Path) -> Result<String, String> {
    let say = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(say)?;
    let since = Instant::now();
    while let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
        if since.elapsed() > WRITER_PATIENCE {
            return Err(format!(
                "{}: locked by its writer for more than {} s",
                path.display(),
                WRITER_PATIENCE.as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(say)?;
    if text.len() as u64 > LARGEST {
        Err(format!("{}: larger than {LARGEST} bytes", path.display()))
    } else {
        Ok(text)
    }
}

/// `libnvidia-ml.so.580.95.05` has `libnvidia-ml-scenario.so.580.95.05` beside it: a name that NVIDIA's CDI discovery mounts into pods
/// with the library, because it ends in the driver's version.
fn beside(library: &Path) -> Result<PathBuf, String> {
    let real = fs::canonicalize(library).map_err(|error| format!("{}: {error}", library.display()))?;
    let name = real.file_name().and_then(OsStr::to_str).unwrap_or_default();
    match name.strip_prefix("libnvidia-ml.so") {
        Some(suffix) => Ok(real.with_file_name(format!("libnvidia-ml-scenario.so{suffix}"))),
        None => Err(format!(
            "{}: install the library as libnvidia-ml.so.<driver version>",
            real.display()
        )),
    }
}

fn own_path() -> Option<PathBuf> {
    let mut found = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let inside = own_path as fn() -> Option<PathBuf> as *const libc::c_void;
    // SAFETY: dladdr writes `found` only, which lives through the call, and accepts any address.
    if unsafe { libc::dladdr(inside, &raw mut found) } == 0 || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: after success dli_fname is a NUL-terminated string that lives as long as the object is loaded, and this code is in it.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}
