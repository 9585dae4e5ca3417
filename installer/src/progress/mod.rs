//! Events and waits → lines that a person reads while bedplate works, on stderr. stdout stays free for data.
//!
//! One line a fact, `gpu-1 │ …`, with the seconds since the run began, so that a log of it tells the same story as the screen.
//! Called by `execute/` and `cli/`; never decides anything.

use bedplate_protocol::{Event, EventKind, Outcome};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A wait is worth a line when it has lasted this long and then again at each further multiple.
const WAIT_WORTH_A_LINE: Duration = Duration::from_secs(5);

/// Where lines go. Cheap to clone; all clones write to one place, a line at a time.
#[derive(Clone)]
pub struct Progress {
    begun: Instant,
    width: usize,
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Progress {
    /// Lines on stderr for these hosts.
    pub fn stderr<'a>(hosts: impl Iterator<Item = &'a str>) -> Self {
        Self::to(Box::new(std::io::stderr()), hosts)
    }

    /// Lines on any writer.
    pub fn to<'a>(out: Box<dyn Write + Send>, hosts: impl Iterator<Item = &'a str>) -> Self {
        let width = hosts.map(str::len).chain(["cluster".len()]).max().unwrap_or(7);
        Self {
            begun: Instant::now(),
            width,
            out: Arc::new(Mutex::new(out)),
        }
    }

    /// Seconds since the run began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// One line about one host, or about `cluster`.
    pub fn line(&self, about: &str, text: &str) {
        let seconds = self.begun.elapsed().as_secs_f32();
        if let Ok(mut out) = self.out.lock() {
            for line in text.lines() {
                // A closed stderr must not end a run that is changing hosts.
                let _ = writeln!(out, "{seconds:6.1}s {about:>width$} │ {line}", width = self.width);
            }
        }
    }

    /// What an event is worth saying.
    pub fn event(&self, host: &str, event: &Event) {
        let step = event.step.as_ref().map_or("", |step| step.as_str());
        match &event.kind {
            EventKind::StepFinished {
                outcome: Outcome::Changed { .. },
            } => self.line(host, &format!("{step} done")),
            EventKind::StepFinished {
                outcome: Outcome::WouldChange { diff },
            } => self.line(host, &format!("{step} would change: {diff}")),
            EventKind::StepFinished {
                outcome: Outcome::Failed { finding },
            } => self.line(host, &finding.to_string()),
            EventKind::StepWaiting { waiting_for, since } => {
                self.line(host, &format!("{step} waits for {waiting_for} since {since:.0}"));
            }
            _ => {}
        }
    }

    /// A callback for waits about `about`: a line every five seconds, not every look.
    pub fn waits(&self, about: &str) -> impl Fn(String) + Send + Sync + use<> {
        let (progress, about) = (self.clone(), about.to_owned());
        let last = Mutex::new(Instant::now());
        move |text| {
            if let Ok(mut last) = last.lock()
                && last.elapsed() >= WAIT_WORTH_A_LINE
            {
                *last = Instant::now();
                progress.line(&about, &text);
            }
        }
    }
}
