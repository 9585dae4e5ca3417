//! The thread that judges: takes in what the others have seen, folds it, and makes the state that everybody reads.
//!
//! It waits for nobody but its own mailbox, so a hung NVML keeps no record of the kernel's log from being told. Called by
//! [`super::run`] only.

mod tell;

use super::clock::Clock;
use super::kept::Kept;
use super::pulse::Pulse;
use super::xids::Xids;
use super::{Config, State};
use crate::checks::{self, History};
use crate::gpu::Event;
use crate::health::{Era, Fold, Sense, Sight, Status};
use crate::xid::XidEvent;
use bedplate_protocol::facts::{GpuFacts, NvmlStatus};
use bedplate_protocol::{Finding, Health, NodeFacts, Severity, Verdict};
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
    Pass {
        /// What was read.
        facts: Box<NodeFacts>,
        /// In which life of the driver.
        era: Era,
        /// How long NVML took.
        took: Duration,
    },
    /// NVML has told something by itself.
    Nvml(Event),
    /// The kernel's log has an XID.
    Xid(XidEvent),
    /// The kernel's log is being read, and so many of its records were lost; or why it is not.
    KernelLog(Result<u64, String>),
    /// The process is asked to end.
    Stop,
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
            match reports.recv_timeout(if news.log { rest } else { tick }) {
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
            Report::Pass { facts, era, took } => {
                self.passed(*facts, era, took);
                news.any = true;
            }
            Report::Xid(event) => news.log |= self.xids.take(event),
            Report::Nvml(event) => news.log |= self.xids.take_nvml(&event),
            Report::KernelLog(log) => news.log |= self.xids.seen(log),
            Report::Stop => {}
        }
    }

    fn passed(&mut self, facts: NodeFacts, era: Era, took: Duration) {
        let now = self.clock.now();
        let at = now.at;
        self.xids.learn(&facts);
        let reset = self.fold.forgive(at, &facts, &era);
        let verdict = self.verdict(&facts);
        let nothing_there = facts.nvidia_pci.is_empty() && verdict.health == Health::Healthy;
        let mut sight = Sight::of_pass(&facts, nothing_there)
            .and(Sense::Host)
            .during(era.clone());
        if self.xids.log().reads(Instant::now()) {
            sight = sight.and(Sense::KernelLog);
        }
        sight.reset = reset;
        for change in self.fold.observe(now, &verdict, &sight) {
            super::log::change(&change);
        }
        self.history.record(&facts);
        if facts.nvml.status == NvmlStatus::Ready {
            self.answered = Some(Answered {
                at,
                heard: Instant::now(),
                gpus: facts.nvml.gpus.clone(),
            });
        }
        self.pass = Some(Pass { facts, era, at, took });
    }

    /// The kernel's log has news: what was read last is judged with it.
    fn judge_again(&mut self) {
        // Taken out while it is judged, for the judgement renews the history.
        let Some(pass) = self.pass.take() else { return };
        let verdict = self.verdict(&pass.facts);
        let mut sight = Sight::default().during(pass.era.clone());
        if self.xids.log().reads(Instant::now()) {
            sight = sight.and(Sense::KernelLog);
        }
        for change in self.fold.observe(self.clock.now(), &verdict, &sight) {
            super::log::change(&change);
        }
        self.pass = Some(pass);
    }

    /// What the checks say of these facts, and what the observer itself has to say of the log.
    fn verdict(&mut self, facts: &NodeFacts) -> Verdict {
        self.history.xids = self.xids.present(self.fold.forgiven());
        let heard = Instant::now();
        self.history.kernel_log_unreadable = self.xids.log().trouble(heard);
        self.history.kernel_log_lost = self.xids.log().lost_lately(heard);
        let seen = checks::Observation {
            facts,
            expect: self.config.expect.as_ref(),
            history: &self.history,
        };
        checks::judge(&seen)
    }

    /// Only time has passed; whether that changes a condition.
    fn silence(&mut self) -> bool {
        let statuses =
            |fold: &Fold| -> Vec<Status> { fold.conditions().iter().map(|condition| condition.status).collect() };
        let before = statuses(&self.fold);
        self.fold.tick(self.clock.now());
        before != statuses(&self.fold)
    }

    /// A failure is told once, until it is over.
    fn keep(&mut self, end: bool) {
        const CODE: &str = "state-not-kept";
        self.xids.keep(end);
        let before = self.troubles.len();
        self.troubles.retain(|trouble| trouble.code != CODE);
        let known = self.troubles.len() < before;
        if let Err(error) = self.kept.keep(self.fold.memory(), end) {
            if !known {
                tracing::error!("{error}");
            }
            let cure = "make room on the disk or mount it writable; until then a restart forgets what holds since when";
            self.troubles.push(Finding::new(
                Severity::Warning,
                CODE,
                self.node_name.clone(),
                error.to_string(),
                cure,
            ));
        }
    }
}

#[cfg(test)]
mod tests;
