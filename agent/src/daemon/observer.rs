//! The thread that judges: takes in what the others have seen, folds it, and makes the state that everybody reads.
//!
//! It waits for nobody but its own mailbox, so a hung NVML keeps no record of the kernel's log from being told. Called by
//! [`super::run`] only.

mod holders;
mod judging;
mod tell;

use super::clock::Clock;
use super::kept::Kept;
use super::pulse::Pulse;
use super::xids::Xids;
use super::{Config, State};
use crate::checks::History;
use crate::gpu::Event;
use crate::health::{Era, Fold};
use crate::pods::Attribution;
use crate::xid::XidEvent;
use bedplate_protocol::facts::GpuFacts;
use bedplate_protocol::{Finding, NodeFacts, Severity};
use holders::Withheld;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What reaches the observer.
#[derive(Debug)]
pub(super) enum Report {
    /// A pass over NVML and host has ended.
    Pass(Box<LastPass>),
    /// NVML has told something by itself.
    Nvml(Event),
    /// The kernel's log has an XID.
    Xid(XidEvent),
    /// The kernel's log is being read, and so many of its records were lost; or why it is not.
    KernelLog(Result<u64, String>),
    /// Why the endpoints are not served; nothing once they are.
    Serving(Option<String>),
    /// Who holds the GPUs, or why that is not known: the answer to a question of the observer's.
    Holders(Result<Attribution, String>),
    /// The process is asked to end.
    Stop,
}

/// One pass over NVML and host.
#[derive(Debug)]
pub(super) struct LastPass {
    /// What was read.
    pub(super) facts: NodeFacts,
    /// In which life of the driver.
    pub(super) era: Era,
    /// How long NVML took.
    pub(super) took: Duration,
    /// Whether all of the host was read for it.
    pub(super) whole: bool,
    /// Whether NVML has brought it so far forward that it is no observation of its own.
    pub(super) early: bool,
}

/// The time is told to the fold twice an interval, within these bounds and whoever reports in the meantime, so that silence is
/// noticed.
const TICK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Between two judgements of what the kernel's log says: a tenth of the second in which a fault must be known.
const PAUSE: Duration = Duration::from_millis(100);

/// Everything that the observer knows.
pub(super) struct Observer {
    config: Config,
    node_name: String,
    clock: Clock,
    started: Timestamp,
    fold: Fold,
    kept: Kept,
    xids: Xids,
    history: History,
    pass: Option<Pass>,
    /// The GPUs as NVML listed them when it last answered to the end.
    answered: Option<Answered>,
    /// Where to ask who holds the GPUs.
    questions: tokio::sync::mpsc::Sender<()>,
    /// Transitions that wait for the answer.
    withheld: Option<Withheld>,
    /// What is wrong with the agent itself.
    troubles: Vec<Finding>,
    states: watch::Sender<Arc<State>>,
    pulse: Pulse,
    stopping: Arc<AtomicBool>,
}

/// The last pass.
struct Pass {
    facts: NodeFacts,
    era: Era,
    at: Timestamp,
    took: Duration,
}

struct Answered {
    /// For people.
    at: Timestamp,
    /// For how long ago that is: the clock on the wall may be set.
    heard: Instant,
    gpus: Vec<GpuFacts>,
}

/// What an observer begins with.
pub(super) struct Beginning {
    pub(super) config: Config,
    pub(super) node_name: String,
    pub(super) clock: Clock,
    pub(super) fold: Fold,
    pub(super) kept: Kept,
    pub(super) xids: Xids,
    pub(super) troubles: Vec<Finding>,
    pub(super) questions: tokio::sync::mpsc::Sender<()>,
    pub(super) states: watch::Sender<Arc<State>>,
    pub(super) pulse: Pulse,
    pub(super) stopping: Arc<AtomicBool>,
}

/// What taking in a report has made necessary.
#[derive(Debug, Default)]
struct News {
    /// The state has changed.
    any: bool,
    /// The kernel's log has something that the last pass did not have.
    log: bool,
}

impl Observer {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning {
            config,
            node_name,
            clock,
            fold,
            kept,
            xids,
            troubles,
            questions,
            states,
            pulse,
            stopping,
        } = beginning;
        Self {
            config,
            node_name,
            clock,
            started: Timestamp::now(),
            fold,
            kept,
            xids,
            history: History::default(),
            pass: None,
            answered: None,
            questions,
            withheld: None,
            troubles,
            states,
            pulse,
            stopping,
        }
    }

    /// Until it is told to stop, or everybody who could tell it something is gone.
    pub(super) fn run(mut self, reports: &Receiver<Report>) {
        let mut news = News::default();
        let mut judged: Option<Instant> = None;
        let tick = (self.config.interval.get() / 2).clamp(TICK.0, TICK.1);
        let mut ticked = Instant::now();
        while !self.stopping.load(Ordering::Relaxed) {
            self.pulse.beat();
            let rest = judged.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(at.elapsed()));
            match reports.recv_timeout(if news.log { rest } else { self.patience(tick) }) {
                Ok(Report::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(report) => {
                    self.take(report, &mut news);
                    // What has come in the meantime is judged with it: a thousand records cost one judgement. No more than
                    // those, because a log that never pauses must not put the judgement off.
                    for report in reports.try_iter().take(super::MAILBOX) {
                        if matches!(report, Report::Stop) {
                            self.stopping.store(true, Ordering::Relaxed);
                            break;
                        }
                        self.take(report, &mut news);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            news.any |= self.give_up_on_holders();
            // Not only when nothing came: a log that never pauses must not hide that the passes have ended.
            if ticked.elapsed() >= tick {
                news.any |= self.silence();
                ticked = Instant::now();
            }
            let judge = news.log && judged.is_none_or(|at| at.elapsed() >= PAUSE);
            if news.log && !judge && !news.any {
                continue;
            }
            if judge {
                self.judge_again();
                judged = Some(Instant::now());
                news.log = false;
            }
            // Told first: a disk that is slow must not hold up the news.
            if std::mem::take(&mut news.any) || judge {
                self.tell();
            }
            self.keep(false);
        }
        self.keep(true);
    }

    fn take(&mut self, report: Report, news: &mut News) {
        match report {
            Report::Pass(pass) => {
                self.passed(*pass);
                news.any = true;
            }
            Report::Xid(event) => news.log |= self.xids.take(event),
            Report::Nvml(event) => news.log |= self.xids.take_nvml(&event),
            Report::KernelLog(log) => news.log |= self.xids.seen(log),
            Report::Holders(answer) => {
                self.hear_of_holders(answer);
                news.any = true;
            }
            Report::Serving(trouble) => {
                let cure = "free the port or name another one, or bring the files that serve: names; it is tried again every 10 s, and conditions \
                            and Events are written all the same";
                news.any |= self.trouble("endpoints-not-served", trouble, cure);
            }
            Report::Stop => {}
        }
    }

    /// Keeps what is wrong with the agent itself, or forgets it once it is over; whether that is news, which the log is told too.
    fn trouble(&mut self, code: &'static str, trouble: Option<String>, cure: &str) -> bool {
        let known = self.troubles.iter().position(|known| known.code == code);
        let known = known.map(|place| self.troubles.swap_remove(place));
        let same = known.as_ref().map(|known| &known.message) == trouble.as_ref();
        if let Some(message) = trouble {
            if !same {
                tracing::error!("{message}");
            }
            self.troubles.push(Finding::new(
                Severity::Warning,
                code,
                self.node_name.clone(),
                message,
                cure,
            ));
        }
        !same
    }

    /// A failure is told once, until it is over.
    fn keep(&mut self, end: bool) {
        self.xids.keep(end);
        let kept = self.kept.keep(self.fold.memory(), end);
        let cure = "make room on the disk or mount it writable; until then a restart forgets what holds since when";
        self.trouble("state-not-kept", kept.err().map(|error| error.to_string()), cure);
    }
}

#[cfg(test)]
mod tests;
