//! What is told, to whom and when.

use super::*;

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

fn raised(state: &State) -> Option<Transition> {
    let mut transitions = state.transitions.iter();
    transitions.find(|transition| transition.code == "xid-fatal").cloned()
}

#[test]
fn who_held_the_gpu_is_part_of_the_event_and_of_the_evidence_and_holds_up_no_condition() {
    let directory = tempfile::tempdir().unwrap();
    let mut observer = Running::start(directory.path(), "a");
    observer.log_is_read(0);
    observer.pass("a", 1, None);
    observer.until("nothing is wrong", is(Status::False));
    observer.until("what was asked before is over", |state| !state.transitions.is_empty());
    while observer.questions.try_recv().is_ok() {}
    observer.xid(&fallen());
    observer.until("the XID holds", is(Status::True));
    assert_eq!(
        raised(&observer.states.borrow()),
        None,
        "its Event waits for who held the GPU"
    );
    observer.questions.blocking_recv().unwrap();
    let held = |uuid: &str, pod: &str| Holder {
        uuid: uuid.to_owned(),
        replica: None,
        namespace: "team-a".to_owned(),
        pod: pod.to_owned(),
        container: "main".to_owned(),
    };
    let said = Attribution {
        holders: vec![held(UUID, "trainer"), held("GPU-another", "other")],
        unattributed: 0,
    };
    observer.reports.send(Report::Holders(Ok(said))).unwrap();
    observer.until("the Event may be told", |state| raised(state).is_some());
    let state = observer.states.borrow_and_update().clone();
    let message = raised(&state).unwrap().message;
    assert!(
        message.ends_with("(PCI 0000:18:00.0, serial 1650123); held by team-a/trainer/main"),
        "{message}"
    );
    let findings = &state.verdict.findings;
    let evidence = &findings
        .iter()
        .find(|finding| finding.code == "xid-fatal")
        .unwrap()
        .evidence;
    for line in [
        "PCI 0000:18:00.0, serial 1650123",
        "when it began to hold: held by team-a/trainer/main",
    ] {
        assert!(evidence.iter().any(|known| known == line), "{line} in {evidence:?}");
    }
    observer.stop();
}

#[test]
fn a_kubelet_that_does_not_answer_keeps_no_event_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut observer = Running::start(directory.path(), "a");
    observer.log_is_read(0);
    observer.xid(&fallen());
    observer.pass("a", 1, None);
    observer.until("the Event is told", |state| raised(state).is_some());
    observer.stop();
}
