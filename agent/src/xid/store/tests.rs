use super::super::event::XidEvent;
use super::*;
use jiff::Timestamp;

fn event(number: u32) -> XidEvent {
    XidEvent::of_nvml(Timestamp::now(), Some("0000:17:00.0"), number)
}

#[test]
fn counts_survive_a_restart_and_a_new_boot() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent/xids.json");
    let (mut store, mut ledger, problem) = Store::load(&path, "one");
    assert!(problem.is_none());
    ledger.observe(event(79));
    assert!(store.write_if_due(&ledger, Instant::now()).unwrap());
    let (_, again, problem) = Store::load(&path, "one");
    assert!(problem.is_none());
    assert_eq!((again.counts(), again.present()), (ledger.counts(), ledger.present()));
    let (_, next, _) = Store::load(&path, "two");
    assert_eq!((next.counts()[0].total, next.present().len()), (1, 0));
}

#[test]
fn a_storm_is_written_once_in_the_interval_and_silence_never() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut ledger, _) = Store::load(&directory.path().join("xids.json"), "one");
    let begin = Instant::now();
    let mut writes = 0;
    assert!(!store.write_if_due(&ledger, begin).unwrap(), "nothing to say");
    for millisecond in 0..60_000_u64 {
        let mut event = event(31);
        event.source = super::super::Source::KernelLog;
        event.sequence = Some(millisecond + 1);
        ledger.observe(event);
        let now = begin + Duration::from_millis(millisecond);
        writes += u32::from(store.write_if_due(&ledger, now).unwrap());
    }
    assert_eq!(writes, 6);
    let end = begin + Duration::from_mins(2);
    assert!(store.write_if_due(&ledger, end).unwrap(), "the rest");
    assert!(!store.write_if_due(&ledger, end + EVERY).unwrap(), "nothing changed");
}

#[test]
fn a_broken_file_is_put_aside_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("xids.json");
    std::fs::write(&path, "{\"bootId\":").unwrap();
    let (mut store, mut ledger, problem) = Store::load(&path, "one");
    assert!(matches!(problem, Some(StoreError::Broken { .. })), "{problem:?}");
    assert!(directory.path().join("xids.json.broken").exists());
    ledger.observe(event(13));
    assert!(store.write_if_due(&ledger, Instant::now()).unwrap());
    assert!(Store::load(&path, "one").2.is_none());
}

#[test]
fn a_file_that_cannot_be_written_is_tried_again_after_the_interval() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("xids.json");
    let (mut store, mut ledger, _) = Store::load(&path, "one");
    std::fs::create_dir(&path).unwrap();
    ledger.observe(event(13));
    let begin = Instant::now();
    assert!(matches!(
        store.write_if_due(&ledger, begin),
        Err(StoreError::Unwritable { .. })
    ));
    assert!(!store.write_if_due(&ledger, begin).unwrap(), "not at once");
    std::fs::remove_dir(&path).unwrap();
    assert!(store.write_if_due(&ledger, begin + EVERY).unwrap());
}
