//! The threads and tasks without which the daemon is blind or dumb. None of them may end before it does: one that panicked would
//! leave what it last said standing. Called by [`super::run`] only.

/// Whether a part runs no more.
type Ended = Box<dyn Fn() -> bool>;

/// Each with its name, the one that the others end with first.
#[derive(Default)]
pub(super) struct Parts(Vec<(&'static str, Ended)>);

impl Parts {
    /// One more; `ended` says whether it runs no more.
    pub(super) fn add(&mut self, what: &'static str, ended: impl Fn() -> bool + 'static) {
        self.0.push((what, Box::new(ended)));
    }

    /// The first that runs no more.
    pub(super) fn ended(&self) -> Option<&'static str> {
        self.0.iter().find(|(_, ended)| ended()).map(|(what, _)| *what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn a_part_that_panicked_is_named_and_one_that_works_is_not() {
        let (stop, stopped) = mpsc::channel::<()>();
        let works = thread::spawn(move || stopped.recv().is_ok());
        let (burst, burning) = mpsc::channel::<()>();
        let fails = thread::spawn(move || panic!("{:?}", burning.recv()));
        let mut parts = Parts::default();
        parts.add("works", move || works.is_finished());
        parts.add("fails", move || fails.is_finished());
        assert_eq!(parts.ended(), None);
        drop(burst);
        let expiry = Instant::now() + Duration::from_secs(30);
        while parts.ended().is_none() && Instant::now() < expiry {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(parts.ended(), Some("fails"));
        drop(stop);
    }
}
