//! Which NVML call a worker is in, told through one page of shared memory: a call costs one `pwrite`, not a line through a
//! pipe that somebody must read. Written by [`super::worker`], read by [`super::parent`] only when a deadline has passed.
//!
//! The page is the worker's standard output. It cannot grow and its offset stands at its end, so whatever a library prints
//! goes nowhere.

use jiff::Timestamp;
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

/// Eight bytes for when the call began (microseconds since 1970), one for the length of its name, then the name.
const SIZE: usize = 128;
const NAME: usize = 9;

/// The page.
#[derive(Debug)]
pub(super) struct Page(File);

/// A call that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnderWay {
    /// `nvmlDeviceGetUUID(0)`.
    pub(super) call: String,
    /// When it began.
    pub(super) since: Timestamp,
}

impl Page {
    /// A new page for one worker.
    pub(super) fn create() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(rustix::fs::memfd_create("bedplate-nvml-call", flags)?);
        file.set_len(SIZE as u64)?;
        file.seek(SeekFrom::End(0))?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self(file))
    }

    /// The page as the standard output of a child.
    pub(super) fn for_child(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(self.0.try_clone()?))
    }

    /// The page that this process got as its standard output.
    pub(super) fn inherited() -> io::Result<Self> {
        let file = std::io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self(File::from(file)))
    }

    /// Says that a call begins. A failure costs a hung call its name and nothing else.
    pub(super) fn announce(&self, call: &str, gpu: Option<u32>) {
        let mut page = [0_u8; SIZE];
        page[..8].copy_from_slice(&now().to_ne_bytes());
        let mut name = &mut page[NAME..];
        let free = name.len();
        // A name that does not fit is cut, which the length tells.
        let _ = match gpu {
            Some(index) => write!(name, "{call}({index})"),
            None => write!(name, "{call}"),
        };
        page[8] = u8::try_from(free - name.len()).unwrap_or(u8::MAX);
        let _ = self.0.write_at(&page, 0);
    }

    /// The call that was announced last.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        let mut page = [0_u8; SIZE];
        self.0.read_exact_at(&mut page, 0).ok()?;
        let began = u64::from_ne_bytes(page[..8].try_into().ok()?);
        let name = page.get(NAME..NAME + usize::from(page[8]))?;
        if began == 0 || name.is_empty() {
            return None;
        }
        Some(UnderWay {
            call: String::from_utf8_lossy(name).into_owned(),
            since: Timestamp::from_microsecond(i64::try_from(began).ok()?).ok()?,
        })
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn the_last_call_is_told_with_when_it_began() {
        let page = Page::create().unwrap();
        assert_eq!(page.under_way(), None, "nothing has begun");
        let before = Timestamp::now();
        page.announce("nvmlInit_v2", None);
        page.announce("nvmlDeviceGetUUID", Some(7));
        let seen = page.under_way().unwrap();
        assert_eq!(seen.call, "nvmlDeviceGetUUID(7)");
        assert!(seen.since >= before.checked_sub(Duration::from_millis(1)).unwrap() && seen.since <= Timestamp::now());
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
        assert_eq!(page.0.metadata().unwrap().len(), SIZE as u64);
        assert_eq!(page.under_way().unwrap().call, "nvmlInit_v2");
    }

    proptest! {
        #[test]
        fn any_page_is_survived(bytes in proptest::collection::vec(any::<u8>(), SIZE)) {
            let page = Page::create().unwrap();
            page.0.write_at(&bytes, 0).unwrap();
            page.under_way();
        }
    }
}
