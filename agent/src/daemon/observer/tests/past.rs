//! What a loading of the driver, a reset and a boot put behind, with an agent that runs or was stopped.

use super::*;

/// A GPU that reports the same fault again when that is no news any more: the last pass is then newer than all that was worth
/// a write. What the log says of it from its beginning.
fn sick(directory: &Path, recovery_action: Option<u32>) -> (Running, Vec<XidEvent>) {
    let mut observer = Running::start(directory, "a");
    observer.log_is_read(0);
    observer.pass("a", 1, None);
    observer.until("nothing is wrong", is(Status::False));
    let mut log = Vec::new();
    for sequence in 1..=3 {
        let event = XidEvent {
            sequence: Some(sequence),
            ..fallen()
        };
        observer.xid(&event);
        log.push(event);
        observer.until("it is counted", |state| {
            state.xids.first().is_some_and(|count| count.total == sequence)
        });
        observer.pass("a", 1, recovery_action);
        observer.until("it holds", is(Status::True));
    }
    (observer, log)
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
    let (observer, log) = sick(directory.path(), None);
    // The only way: the driver has a client as long as the agent runs.
    observer.stop();
    let mut observer = Running::start(directory.path(), "a");
    observer.until("it still holds", is(Status::True));
    // The log is read from its beginning again.
    observer.log_is_read(0);
    for event in &log {
        observer.xid(event);
    }
    observer.pass("a", 2, None);
    observer.until("the XID is past", is(Status::False));
    observer.stop();
}

#[test]
fn an_xid_ends_when_its_gpu_was_reset_while_no_agent_ran_and_its_driver_says_so() {
    for (asked, now, ends) in [(Some(1), Some(0), true), (None, None, false)] {
        let directory = tempfile::tempdir().unwrap();
        let (observer, log) = sick(directory.path(), asked);
        observer.stop();
        let mut observer = Running::start(directory.path(), "a");
        observer.log_is_read(0);
        for event in &log {
            observer.xid(event);
        }
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
        (3, 0),
        "and is counted all the same"
    );
    observer.stop();
}
