//! The NVML workers of other processes: each has its page in a folder of `/run` and holds a lock on it for as long as it lives, also
//! when the process that started it is gone. So a daemon that begins anew, and each `check` of a plugin that is run every minute,
//! finds the worker that hangs and does not put another one beside it. Called by [`super::parent`] before it starts a worker.
//!
//! Only root has such pages; without it, and where `/run` may not be written, a worker's page has no name and nobody finds it. A
//! worker that works keeps nobody from starting another.

use super::progress::{Page, UnderWay};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the pages are.
pub(super) const FOLDER: &str = "/run/bedplate/nvml-workers";
/// Beyond its deadline a call gets this much before others believe that it hangs: its own parent gives it up first.
const MARGIN: Duration = Duration::from_secs(1);

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How many names are tried.
const NAMES: u32 = 16;

/// Distinguishes the workers of one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A page for a worker on this library, in the folder if that can be had.
pub(super) fn page(folder: &Path, library: &str) -> io::Result<Page> {
    let made = crate::durable::directory(folder, 0o700);
    let create = || {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Page::create_at(&folder.join(format!("{library}.{}.{number}", std::process::id())))
    };
    let named = made.and_then(|()| {
        let mut created = create();
        // In containers that share the folder every agent is process 1, and the page of one that is gone may still be held.
        for _ in 1..NAMES {
            match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => created = create(),
                done => return done,
            }
        }
        created
    });
    named.or_else(|_| Page::create())
}

/// A worker's call on this library that began longer ago than its own parent waits. A library by another name or file is another
/// driver's, or a newer one's: its calls are none of ours.
pub(super) fn stuck(folder: &Path, library: &str) -> Option<UnderWay> {
    let prefix = format!("{library}.");
    let entries = std::fs::read_dir(folder).ok()?;
    entries.flatten().find_map(|entry| {
        // Whatever its library, a page of which nobody is left is taken away by this.
        let page = Page::of_another(&entry.path()).ok()??;
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            return None;
        }
        let deadline = Duration::from_secs(page.owner()?.deadline_seconds.into());
        let hung = page.under_way().filter(|it| it.age >= deadline + MARGIN)?;
        // Two that look at once take each other's lock on a page that nobody has for a worker's.
        std::thread::sleep(LOOK_AGAIN);
        Page::of_another(&entry.path()).ok()??;
        Some(hung)
    })
}

#[cfg(test)]
mod tests {
    use super::super::progress::Owner;
    use super::*;

    #[test]
    fn a_worker_that_works_or_rests_or_is_gone_is_not_stuck_and_one_past_its_deadline_is() {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path().join("bedplate/workers");
        let ours = page(&folder, "1-2").unwrap();
        let owner = Owner {
            pid: 1,
            deadline_seconds: 0,
        };
        ours.own(owner);
        assert_eq!(stuck(&folder, "1-2"), None, "it rests");
        ours.announce("nvmlInit_v2", None);
        assert_eq!(stuck(&folder, "1-2"), None, "it works");
        std::thread::sleep(MARGIN + Duration::from_millis(50));
        assert_eq!(stuck(&folder, "1-2").unwrap().call, "nvmlInit_v2");
        assert_eq!(stuck(&folder, "1-3"), None, "that is another library");
        let held = Page::of_another(&std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path());
        assert!(held.unwrap().is_some());
        drop(ours);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "its maker took it away");
        // One whose maker and worker were both killed.
        std::fs::write(folder.join("1-2.7.0"), [1; 128]).unwrap();
        std::fs::write(folder.join("1-3.7.0"), [1; 128]).unwrap();
        assert_eq!(stuck(&folder, "1-2"), None, "nobody holds it");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nor is it kept");
    }

    #[test]
    fn a_name_that_another_container_has_taken_leads_to_the_next_one() {
        let run = tempfile::tempdir().unwrap();
        let next = NEXT.load(Ordering::Relaxed);
        // Other tests of this process take numbers too, so several are in the way.
        let taken: Vec<_> = (next..next + 4)
            .map(|number| run.path().join(format!("1-4.{}.{number}", std::process::id())))
            .collect();
        for path in &taken {
            std::fs::write(path, []).unwrap();
        }
        let page = page(run.path(), "1-4").unwrap();
        assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), taken.len() + 1);
        drop(page);
    }

    #[test]
    fn without_a_folder_a_worker_has_a_page_all_the_same() {
        let page = page(Path::new("/proc/nowhere"), "1-2").unwrap();
        page.announce("nvmlInit_v2", None);
        assert_eq!(page.under_way().unwrap().call, "nvmlInit_v2");
        assert_eq!(stuck(Path::new("/proc/nowhere"), "1-2"), None);
    }
}
