//! The observer with a mailbox of its own: what reports become, and what a restart keeps of it.

use super::super::{clock::Clock, kept::Kept, pulse::Pulse, xids::Xids};
use super::*;
use crate::health::Condition;
use crate::xid::{Source, Xid};
use bedplate_protocol::facts::NvmlFacts;
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
    thread: JoinHandle<()>,
}

impl Running {
    fn start(directory: &Path, boot_id: &str) -> Self {
        let file = directory.join("agent.yaml");
        std::fs::write(&file, "interval: 1s\n").unwrap();
        let config = Config {
            state_directory: directory.to_owned(),
            ..super::super::read(&file).unwrap()
        };
        let (kept, memory, aside) = Kept::open(directory).unwrap();
        assert_eq!(aside, None);
        let (xids, aside) = Xids::open(&config, boot_id);
        assert_eq!(aside, None);
        let clock = Clock::new();
        let mut fold = Fold::new(Vec::new(), config.interval.signed(), memory);
        fold.tick(clock.now());
        let (states, watched) = watch::channel(Arc::new(State::before_the_first_pass(&config, "one", &fold)));
        let observer = Observer::new(Beginning {
            config,
            node_name: "one".to_owned(),
            clock,
            fold,
            kept,
            xids,
            troubles: Vec::new(),
            states,
            pulse: Pulse::new(),
            stopping: Arc::default(),
        });
        let (reports, mailbox) = mpsc::sync_channel(super::super::MAILBOX);
        Self {
            reports,
            states: watched,
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
                pci_address: Some(ADDRESS.to_owned()),
                recovery_action,
                ..GpuFacts::default()
            }],
            ..facts.nvml
        };
        let report = Report::Pass {
            facts: Box::new(facts),
            era: Era {
                boot_id: boot_id.to_owned(),
                driver: Some(driver),
            },
            took: Duration::ZERO,
        };
        self.reports.send(report).unwrap();
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

/// A fault that the log tells of between two passes, and one more pass after it, at which nothing else changes.
fn sick(directory: &Path, recovery_action: Option<u32>) -> (Running, XidEvent) {
    let mut observer = Running::start(directory, "a");
    observer.log_is_read(0);
    observer.pass("a", 1, None);
    observer.until("nothing is wrong", is(Status::False));
    let fallen = fallen();
    observer.xid(&fallen);
    observer.until("the XID holds", is(Status::True));
    observer.pass("a", 1, recovery_action);
    observer.until("it still holds", is(Status::True));
    (observer, fallen)
}

#[test]
fn an_xid_ends_when_the_driver_is_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut observer, _) = sick(directory.path(), None);
    observer.pass("a", 2, None);
    observer.until("the XID is past", is(Status::False));
    observer.stop();
}

#[test]
fn an_xid_ends_when_the_driver_was_loaded_again_while_no_agent_ran() {
    let directory = tempfile::tempdir().unwrap();
    let (observer, fallen) = sick(directory.path(), None);
    // The only way: the driver has a client as long as the agent runs.
    observer.stop();
    let mut observer = Running::start(directory.path(), "a");
    observer.until("it still holds", is(Status::True));
    // The log is read from its beginning again.
    observer.log_is_read(0);
    observer.xid(&fallen);
    observer.pass("a", 2, None);
    observer.until("the XID is past", is(Status::False));
    observer.stop();
}

#[test]
fn an_xid_ends_when_its_gpu_was_reset_while_no_agent_ran_and_its_driver_says_so() {
    for (asked, now, ends) in [(Some(1), Some(0), true), (None, None, false)] {
        let directory = tempfile::tempdir().unwrap();
        let (observer, fallen) = sick(directory.path(), asked);
        observer.stop();
        let mut observer = Running::start(directory.path(), "a");
        observer.log_is_read(0);
        observer.xid(&fallen);
        observer.pass("a", 1, now);
        observer.until("the pass counts", is(if ends { Status::False } else { Status::True }));
        observer.stop();
    }
}

#[test]
fn an_xid_ends_with_the_boot_in_which_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (observer, _) = sick(directory.path(), None);
    observer.stop();
    let mut observer = Running::start(directory.path(), "b");
    observer.log_is_read(0);
    observer.pass("b", 1, None);
    observer.until("the XID is past", is(Status::False));
    let counted = observer.states.borrow().xids.clone();
    assert_eq!(
        (counted[0].total, counted[0].this_boot),
        (1, 0),
        "and is counted all the same"
    );
    observer.stop();
}

#[test]
fn a_log_that_never_pauses_does_not_hide_that_the_passes_have_ended() {
    let directory = tempfile::tempdir().unwrap();
    let mut observer = Running::start(directory.path(), "a");
    observer.log_is_read(0);
    observer.pass("a", 1, None);
    observer.until("nothing is wrong", is(Status::False));
    let expiry = Instant::now() + PATIENCE;
    while condition(&observer.states.borrow_and_update(), "GPUHardwareProblem").status != Status::Unknown {
        assert!(Instant::now() < expiry, "{:#?}", observer.states.borrow());
        observer.log_is_read(0);
        thread::sleep(Duration::from_millis(20));
    }
    observer.stop();
}

#[test]
fn lost_records_are_counted_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut observer = Running::start(directory.path(), "a");
    observer.log_is_read(0);
    observer.pass("a", 1, None);
    let told = |state: &State| {
        state
            .verdict
            .findings
            .iter()
            .any(|finding| finding.code == "kernel-log-lost")
    };
    assert!(!told(&observer.states.borrow()));
    for lost in [3, 5, 5] {
        observer.log_is_read(lost);
    }
    observer.pass("a", 1, None);
    observer.until("they are told", told);
    // Opened again, and lost once more.
    observer.log_is_read(2);
    observer.pass("a", 1, None);
    observer.until("they are counted", |state| state.kernel_log_lost == 7);
    observer.stop();
}

#[test]
fn a_log_that_is_not_read_leaves_open_whether_the_node_is_healthy() {
    let directory = tempfile::tempdir().unwrap();
    let mut observer = Running::start(directory.path(), "a");
    observer
        .reports
        .send(Report::KernelLog(Err("no permission".to_owned())))
        .unwrap();
    observer.pass("a", 1, None);
    observer.until("it is told", |state| {
        state
            .verdict
            .findings
            .iter()
            .any(|finding| finding.code == "kernel-log-unreadable")
    });
    let state = observer.states.borrow_and_update().clone();
    assert_eq!(condition(&state, "GPUXidProblem").status, Status::Unknown);
    observer.stop();
}
