//! The thread that judges: takes in what the others have seen, folds it, and makes the state that everybody reads.
//!
//! It waits for nobody but its own mailbox, so a hung NVML keeps no record of the kernel's log from being told. Called by
//! [`super::run`] only.

use super::kept::Kept;
use super::{Config, State};
use crate::checks;
use crate::health::{Era, Fold, Sense, Sight};
use bedplate_protocol::facts::{GpuFacts, NvmlStatus};
use bedplate_protocol::{Finding, Health, NodeFacts, Severity};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// The process is asked to end.
    Stop,
}

/// Nobody heard from for so long and the time is told to the fold, so that silence is noticed.
const TICK: Duration = Duration::from_secs(1);

/// How lately the observer was at its mailbox, in milliseconds since `since`.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    since: Instant,
    last: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), last: Arc::default() }
    }

    fn beat(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

/// Everything that the observer knows.
pub(super) struct Observer {
    config: Config,
    node_name: String,
    started: Timestamp,
    fold: Fold,
    kept: Kept,
    /// The last pass.
    facts: Option<NodeFacts>,
    pass: Option<(Timestamp, Duration)>,
    /// The GPUs as NVML listed them when it last answered to the end, and when that was.
    answered: Option<(Timestamp, Vec<GpuFacts>)>,
    /// What is wrong with the agent itself.
    troubles: Vec<Finding>,
    states: watch::Sender<Arc<State>>,
    pulse: Pulse,
}

impl Observer {
    pub(super) fn new(
        config: Config,
        node_name: String,
        kept: (Kept, Fold),
        troubles: Vec<Finding>,
        states: watch::Sender<Arc<State>>,
        pulse: Pulse,
    ) -> Self {
        let (kept, fold) = kept;
        let started = Timestamp::now();
        Self { config, node_name, started, fold, kept, facts: None, pass: None, answered: None, troubles, states, pulse }
    }

    /// Until it is told to stop, or everybody who could tell it something is gone.
    pub(super) fn run(mut self, reports: &Receiver<Report>) {
        self.fold.tick(Timestamp::now());
        self.tell();
        loop {
            self.pulse.beat();
            match reports.recv_timeout(TICK) {
                Ok(Report::Pass { facts, era, took }) => self.passed(*facts, era, took),
                Err(RecvTimeoutError::Timeout) => {
                    let before = self.fold.conditions();
                    self.fold.tick(Timestamp::now());
                    let same = |(a, b): (&crate::health::Condition, &crate::health::Condition)| a.status == b.status;
                    if before.iter().zip(&self.fold.conditions()).all(same) {
                        continue;
                    }
                }
                Ok(Report::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            // Told first: a disk that is slow must not hold up the news.
            self.tell();
            self.keep();
        }
        self.keep();
    }

    fn passed(&mut self, facts: NodeFacts, era: Era, took: Duration) {
        let at = Timestamp::now();
        let verdict = checks::judge(&facts, self.config.expect.as_ref());
        let nothing_there = facts.nvidia_pci.is_empty() && verdict.health == Health::Healthy;
        let sight = Sight::of_pass(&facts, nothing_there).and(Sense::Host).during(era);
        for change in self.fold.observe(at, &verdict, &sight) {
            super::log::change(&change);
        }
        if facts.nvml.status == NvmlStatus::Ready {
            self.answered = Some((at, facts.nvml.gpus.clone()));
        }
        self.pass = Some((at, took));
        self.facts = Some(facts);
    }

    fn tell(&self) {
        let at = Timestamp::now();
        let stale = self.facts.as_ref().is_none_or(|facts| facts.nvml.status != NvmlStatus::Ready);
        let mut facts = self.facts.clone();
        if let (true, Some(facts), Some((_, gpus))) = (stale, facts.as_mut(), &self.answered) {
            facts.nvml.gpus.clone_from(gpus);
        }
        let silent = |at: Timestamp, of: Timestamp| at.duration_since(of) > self.interval() * 3;
        let state = State {
            at,
            started: self.started,
            version: env!("CARGO_PKG_VERSION"),
            node_name: self.node_name.clone(),
            interval_seconds: self.config.interval.get().as_secs(),
            last_pass: self.pass.map(|(at, _)| at),
            last_pass_micros: self.pass.and_then(|(_, took)| u64::try_from(took.as_micros()).ok()),
            nvml_stale_since: match &self.answered {
                Some((answered, _)) if stale || silent(at, *answered) => Some(*answered),
                Some(_) => None,
                None => Some(self.started),
            },
            facts,
            verdict: self.fold.verdict(),
            conditions: self.fold.conditions(),
            transitions: self.fold.transitions().to_vec(),
            notices: [self.fold.notices(at), self.troubles.clone()].concat(),
        };
        self.states.send_replace(Arc::new(state));
    }

    fn interval(&self) -> SignedDuration {
        SignedDuration::try_from(self.config.interval.get()).unwrap_or(SignedDuration::MAX)
    }

    /// A failure is told once, until it is over.
    fn keep(&mut self) {
        const CODE: &str = "state-not-kept";
        let before = self.troubles.len();
        self.troubles.retain(|trouble| trouble.code != CODE);
        let known = self.troubles.len() < before;
        if let Err(error) = self.kept.keep(self.fold.memory()) {
            if !known {
                tracing::error!("{error}");
            }
            let cure = "make room on the disk or mount it writable; until then a restart forgets what holds since when";
            self.troubles.push(Finding::new(Severity::Warning, CODE, self.node_name.clone(), error.to_string(), cure));
        }
    }
}
