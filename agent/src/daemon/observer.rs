//! The thread that judges: takes in what the others have seen, folds it, and makes the state that everybody reads.
//!
//! It waits for nobody but its own mailbox, so a hung NVML keeps no record of the kernel's log from being told. Called by
//! [`super::run`] only.

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

/// Nobody heard from for so long and the time is told to the fold, so that silence is noticed.
const TICK: Duration = Duration::from_secs(1);
/// Between two judgements of what the kernel's log says: a tenth of the second in which a fault must be known.
const PAUSE: Duration = Duration::from_millis(100);

/// Everything that the observer knows.
pub(super) struct Observer {
    config: Config,
    node_name: String,
    started: Timestamp,
    fold: Fold,
    kept: Kept,
    xids: Xids,
    history: History,
    pass: Option<Pass>,
    /// The GPUs as NVML listed them when it last answered to the end, and when that was.
    answered: Option<(Timestamp, Vec<GpuFacts>)>,
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

/// What an observer begins with.
pub(super) struct Beginning {
    pub(super) config: Config,
    pub(super) node_name: String,
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
        while !self.stopping.load(Ordering::Relaxed) {
            self.pulse.beat();
            let rest = judged.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(at.elapsed()));
            match reports.recv_timeout(if news.log { rest } else { TICK }) {
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
                Err(RecvTimeoutError::Timeout) if news.log => {}
                Err(RecvTimeoutError::Timeout) => news.any |= self.silence(),
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
        let at = Timestamp::now();
        self.xids.learn(&facts);
        let reset = self.fold.forgive(at, &facts, &era);
        let verdict = self.verdict(&facts);
        let nothing_there = facts.gpus_on_pci().is_empty() && verdict.health == Health::Healthy;
        let mut sight = Sight::of_pass(&facts, nothing_there)
            .and(Sense::Host)
            .during(era.clone());
        if self.xids.watching() {
            sight = sight.and(Sense::KernelLog);
        }
        sight.reset = reset;
        sight.withdrawn = checks::withdrawn(&checks::Observation {
            facts: &facts,
            expect: None,
            history: &self.history,
        });
        for change in self.fold.observe(at, &verdict, &sight) {
            super::log::change(&change);
        }
        self.history.record(&facts);
        if facts.nvml.status == NvmlStatus::Ready {
            self.answered = Some((at, facts.nvml.gpus.clone()));
        }
        self.pass = Some(Pass { facts, era, at, took });
    }

    /// The kernel's log has news: what was read last is judged with it.
    fn judge_again(&mut self) {
        // Taken out while it is judged, for the judgement renews the history.
        let Some(pass) = self.pass.take() else { return };
        let verdict = self.verdict(&pass.facts);
        let mut sight = Sight::default().during(pass.era.clone());
        if self.xids.watching() {
            sight = sight.and(Sense::KernelLog);
        }
        for change in self.fold.observe(Timestamp::now(), &verdict, &sight) {
            super::log::change(&change);
        }
        self.pass = Some(pass);
    }

    /// What the checks say of these facts, and what the observer itself has to say of the log.
    fn verdict(&mut self, facts: &NodeFacts) -> Verdict {
        self.history.xids = self.xids.present(self.fold.forgiven());
        self.history.nvml_events = self.xids.told(self.fold.forgiven());
        self.history.kernel_log_unreadable = self.xids.blind().map(str::to_owned);
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
        self.fold.tick(Timestamp::now());
        before != statuses(&self.fold)
    }

    fn tell(&self) {
        let at = Timestamp::now();
        let pass = self.pass.as_ref();
        let stale = pass.is_none_or(|pass| pass.facts.nvml.status != NvmlStatus::Ready);
        let mut facts = pass.map(|pass| pass.facts.clone());
        if let (true, Some(facts), Some((_, gpus))) = (stale, facts.as_mut(), &self.answered) {
            facts.nvml.gpus.clone_from(gpus);
        }
        let silent = |of: Timestamp| at.duration_since(of) > self.config.interval.signed() * 3;
        let newest = State {
            at,
            started: self.started,
            version: env!("CARGO_PKG_VERSION"),
            node_name: self.node_name.clone(),
            interval_seconds: self.config.interval.get().as_secs(),
            last_pass: pass.map(|pass| pass.at),
            last_pass_micros: pass.and_then(|pass| u64::try_from(pass.took.as_micros()).ok()),
            nvml_stale_since: match &self.answered {
                Some((answered, _)) if stale || silent(*answered) => Some(*answered),
                Some(_) => None,
                // A node without a GPU has no values that could be old.
                None if pass.is_some_and(|pass| pass.facts.gpus_on_pci().is_empty()) => None,
                None => Some(self.started),
            },
            facts,
            verdict: self.fold.verdict(),
            conditions: self.fold.conditions(),
            transitions: self.fold.transitions().to_vec(),
            xids: self.xids.counts(),
            notices: [self.fold.notices(at), self.troubles.clone()].concat(),
        };
        self.states.send_replace(Arc::new(newest));
    }

    /// A failure is told once, until it is over.
    fn keep(&mut self, end: bool) {
        const CODE: &str = "state-not-kept";
        self.xids.keep(end);
        let before = self.troubles.len();
        self.troubles.retain(|trouble| trouble.code != CODE);
        let known = self.troubles.len() < before;
        if let Err(error) = self.kept.keep(self.fold.memory()) {
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
