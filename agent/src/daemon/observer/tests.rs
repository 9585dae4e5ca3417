//! The observer with a mailbox of its own: what reports become, and what a restart keeps of it.

mod past;
mod told;

use super::super::{clock::Clock, kept::Kept, pulse::Pulse, xids::Xids};
use super::*;
use crate::health::{Condition, Status, Transition};
use crate::pods::Holder;
use crate::xid::{Source, Xid};
use bedplate_protocol::facts::{NvmlFacts, NvmlStatus};
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

const UUID: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001";
const ADDRESS: &str = "0000:18:00.0";
/// As long as a busy machine may take for what takes milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running observer over a state directory.
struct Running {
    reports: SyncSender<Report>,
    states: watch::Receiver<Arc<State>>,
    questions: tokio::sync::mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(directory: &Path, boot_id: &str) -> Self {
        let file = directory.join("agent.yaml");
        std::fs::write(&file, "interval: 1s\n").unwrap();
        let config = Config {
            state_directory: directory.to_owned(),
            ..super::super::read(&file).unwrap().0
        };
        let (kept, memory, aside) = Kept::open(directory).unwrap();
        assert_eq!(aside, None);
        let (xids, aside) = Xids::open(&config, boot_id);
        assert_eq!(aside, None);
        let clock = Clock::new();
        let mut fold = Fold::new(Vec::new(), config.interval.signed(), memory);
        fold.tick(clock.now());
        let (states, watched) = watch::channel(Arc::new(State::before_the_first_pass(&config, "one", &fold)));
        let (asks, questions) = tokio::sync::mpsc::channel(1);
        let observer = Observer::new(Beginning {
            config,
            node_name: "one".to_owned(),
            clock,
            fold,
            kept,
            xids,
            troubles: Vec::new(),
            questions: asks,
            states,
            pulse: Pulse::new(),
            stopping: Arc::default(),
        });
        let (reports, mailbox) = mpsc::sync_channel(super::super::MAILBOX);
        Self {
            reports,
            states: watched,
            questions,
            thread: thread::spawn(move || observer.run(&mailbox)),
        }
    }

    /// A pass over a host with one GPU, told and taken in.
    fn pass(&mut self, boot_id: &str, driver: u64, recovery_action: Option<u32>) {
        let before = self.states.borrow().last_pass;
        let mut facts = crate::host::read_facts(Path::new("/nowhere"));
        facts.hostname = "one".to_owned();
        facts.nvml = NvmlFacts {
            status: NvmlStatus::Ready,
            gpus: vec![GpuFacts {
                uuid: Some(UUID.to_owned()),
                serial: Some("1650123".to_owned()),
                pci_address: Some(ADDRESS.to_owned()),
                recovery_action,
                ..GpuFacts::default()
            }],
            ..facts.nvml
        };
        let pass = LastPass {
            facts,
            era: Era {
                boot_id: boot_id.to_owned(),
                driver: Some(driver),
            },
            took: Duration::ZERO,
            whole: true,
            early: false,
        };
        self.reports.send(Report::Pass(Box::new(pass))).unwrap();
        self.until("the pass is taken in", |state| state.last_pass != before);
    }

    fn xid(&self, event: &XidEvent) {
        self.reports.send(Report::Xid(event.clone())).unwrap();
    }

    fn log_is_read(&self, lost: u64) {
        self.reports.send(Report::KernelLog(Ok(lost))).unwrap();
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&State) -> bool) {
        let expiry = Instant::now() + PATIENCE;
        while !is_so(&self.states.borrow_and_update()) {
            assert!(
                Instant::now() < expiry,
                "not within {PATIENCE:?}: {what}: {:#?}",
                self.states.borrow()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) {
        self.reports.send(Report::Stop).unwrap();
        self.thread.join().unwrap();
    }
}

fn condition(state: &State, kind: &str) -> Condition {
    let found = state.conditions.iter().find(|condition| condition.kind == kind);
    found.unwrap().clone()
}

fn is(status: Status) -> impl Fn(&State) -> bool {
    move |state| condition(state, "GPUXidProblem").status == status
}

/// That the GPU fell off the bus: an XID that no driver takes back.
fn fallen() -> XidEvent {
    XidEvent {
        at: Timestamp::now(),
        source: Source::KernelLog,
        sequence: Some(7),
        pci_address: Some(ADDRESS.to_owned()),
        uuid: None,
        xid: Xid::Number(79),
        line: format!("NVRM: Xid (PCI:{}): 79, GPU has fallen off the bus.", &ADDRESS[..10]),
        recovery: None,
        nvlink5: None,
    }
}
