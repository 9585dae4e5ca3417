//! Sleeping until the scenario's file changes, as a client of the driver sleeps until the driver has something to say. Called by the
//! wait for events.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::{FILE, LOOK_AGAIN};

thread_local! {
    /// Between two waits of this thread: to make an inotify instance and end it costs more than a wait does beside sleeping. What is
    /// told in the meantime ends the next sleep at once, which then looks once too often.
    static INSTANCE: RefCell<Option<OwnedFd>> = const { RefCell::new(None) };
}

/// An inotify instance on the scenario's file, for one wait; none where the machine has no more of them.
pub(crate) struct Changes {
    file: Option<PathBuf>,
    instance: Option<OwnedFd>,
}

impl Changes {
    /// Of the scenario that is in force.
    pub(crate) fn of_scenario() -> Self {
        let file = FILE.lock().unwrap_or_else(PoisonError::into_inner).path().cloned();
        let new = || inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        Self {
            file,
            instance: INSTANCE.take().or_else(new),
        }
    }

    /// From now on a change ends [`Changes::sleep`]: to be called before the scenario is looked at. The file itself is watched, and not
    /// its directory, because in a container it is a mount of its own; one that takes its place is found here, for the name's old file
    /// loses a link.
    pub(crate) fn listen(&mut self) {
        let watched = self
            .instance
            .as_ref()
            .zip(self.file.as_ref())
            .is_some_and(|(instance, file)| {
                let change = WatchFlags::MODIFY
                    | WatchFlags::CLOSE_WRITE
                    | WatchFlags::ATTRIB
                    | WatchFlags::MOVE_SELF
                    | WatchFlags::DELETE_SELF;
                inotify::add_watch(instance, file, change).is_ok()
            });
        if !watched {
            self.instance = None;
        }
    }

    /// Until there may be a change, at most `left`; [`LOOK_AGAIN`] where nothing tells of changes.
    pub(crate) fn sleep(&self, left: Duration) {
        let Some(instance) = &self.instance else {
            std::thread::sleep(left.min(LOOK_AGAIN));
            return;
        };
        let Ok(timeout) = Timespec::try_from(left) else { return };
        let mut wanted = [PollFd::new(instance, PollFlags::IN)];
        if poll(&mut wanted, Some(&timeout)).is_ok_and(|ready| ready > 0) {
            let mut events = [0; 1024];
            while rustix::io::read(instance, &mut events).is_ok_and(|length| length > 0) {}
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        // A thread that is ending keeps none.
        let _ = INSTANCE.try_with(|kept| kept.replace(self.instance.take()));
    }
}
