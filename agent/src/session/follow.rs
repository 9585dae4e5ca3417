//! Tells a run's events as they are written, until its terminal event or until nobody is left to write one.

use super::{Session, SessionError, refusal::refusal};
use crate::apply::{self, UnitState};
use crate::journal::{JournalError, Tail};
use bedplate_protocol::{EventKind, Mode, Response, RunId};
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// A journal grows by a line a step; looking at its length twenty times a second costs nothing beside the step, and needs
/// no watch that could be lost when the file is created later.
const LOOK: Duration = Duration::from_millis(50);
/// How often the writer is asked for, while it is silent.
const ASK: Duration = Duration::from_secs(2);

impl<R: Read, W: Write> Session<R, W> {
    /// Bounded by the run: it ends with the terminal event or when its executor is gone without one.
    pub(super) fn follow(&mut self, run: &RunId, from_seq: u64) -> Result<(), SessionError> {
        let modes = [Mode::Change, Mode::Inspect];
        let Some(mode) = modes.into_iter().find(|mode| self.layout.run(*mode, run).is_dir()) else {
            let message = format!("this host has no run {run}");
            return self.say(&refusal("run-unknown", message, "see `ls /var/lib/bedplate/runs`"));
        };
        let mut tail = Tail::new(self.layout.journal(mode, run));
        let mut asked = Instant::now();
        loop {
            match self.tell(&mut tail, from_seq)? {
                Ok(true) => return self.say(&Response::FollowEnded),
                Ok(false) => {}
                Err(error) => return self.broken(run, &error.to_string()),
            }
            if asked.elapsed() >= ASK {
                asked = Instant::now();
                if let Some(reason) = self.writer_gone(mode, run) {
                    // It may have written its last lines between our last look and its end.
                    return match self.tell(&mut tail, from_seq)? {
                        Ok(true) => self.say(&Response::FollowEnded),
                        Ok(false) => self.broken(run, &reason),
                        Err(error) => self.broken(run, &error.to_string()),
                    };
                }
            }
            thread::sleep(LOOK);
        }
    }

    /// Sends what is new; true after the terminal event.
    fn tell(&mut self, tail: &mut Tail, from_seq: u64) -> Result<Result<bool, JournalError>, SessionError> {
        let events = match tail.read() {
            Ok(events) => events,
            Err(error) => return Ok(Err(error)),
        };
        for event in events {
            let ended = matches!(event.kind, EventKind::RunFinished { .. });
            if event.seq >= from_seq {
                self.say(&Response::Event { event })?;
            }
            if ended {
                return Ok(Ok(true));
            }
        }
        Ok(Ok(false))
    }

    /// Why no more events will come, if so.
    fn writer_gone(&self, mode: Mode, run: &RunId) -> Option<String> {
        match mode {
            Mode::Inspect => match self.looking.get(run) {
                Some(looking) if !looking.is_finished() => None,
                _ => Some("whoever looked is gone".to_owned()),
            },
            Mode::Change => match apply::unit_state(run) {
                Ok(UnitState::Running) => None,
                Ok(UnitState::Failed) => Some("its unit has failed".to_owned()),
                Ok(UnitState::Inactive) => Some("its unit is not running".to_owned()),
                Err(error) => Some(error.to_string()),
            },
        }
    }

    fn broken(&mut self, run: &RunId, reason: &str) -> Result<(), SessionError> {
        let message = format!("run {run} has no terminal event and will have none: {reason}");
        let remedy =
            format!("look at `journalctl -u bedplate-apply@{run}.service -n 50`, then run `bedplate up` again");
        self.say(&refusal("run-died", message, &remedy))
    }
}
