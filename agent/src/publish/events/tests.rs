//! Which Events become of which changes, and what a restart makes of them.

use super::*;

fn transition(sequence: u64, at: i64, code: &str) -> Transition {
    Transition {
        sequence,
        at: Timestamp::from_second(at).unwrap(),
        change: Change::Raised,
        code: code.to_owned(),
        subject: "GPU-1".to_owned(),
        severity: Severity::Warning,
        condition: "GPUThermalProblem".to_owned(),
        message: "hot".to_owned(),
        action: None,
    }
}

fn outbox(now: Instant) -> Outbox {
    Outbox::new(Told::new(0, BTreeSet::new()), now)
}

#[test]
fn the_same_again_is_counted_and_not_told_anew() {
    let now = Instant::now();
    let mut outbox = outbox(now);
    outbox.note(&[transition(1, 10, "hot")]);
    outbox.note(&[transition(1, 10, "hot")]);
    let (key, due) = outbox.next(now, "one", "u").unwrap();
    let Due::Create(event) = due else { panic!("{due:?}") };
    assert_eq!(event.get("series"), None);
    outbox.told(&key);
    assert_eq!(outbox.next(now, "one", "u"), None);
    outbox.note(&[transition(2, 20, "hot"), transition(3, 30, "hot")]);
    let (_, due) = outbox.next(now, "one", "u").unwrap();
    let Due::Count(name, patch) = due else {
        panic!("{due:?}")
    };
    assert_eq!(event["metadata"]["name"], name.as_str());
    assert_eq!(patch["series"]["count"], 3);
    outbox.gone(&key);
    assert!(matches!(outbox.next(now, "one", "u"), Some((_, Due::Create(_)))));
}

#[test]
fn the_first_change_of_a_nodes_life_is_told_once() {
    let now = Instant::now();
    let mut outbox = outbox(now);
    outbox.note(&[transition(0, 10, "hot")]);
    outbox.note(&[transition(0, 10, "hot")]);
    let (key, due) = outbox.next(now, "one", "u").unwrap();
    assert!(matches!(due, Due::Create(_)), "{due:?}");
    outbox.told(&key);
    assert_eq!(outbox.next(now, "one", "u"), None);
}

#[test]
fn what_waits_when_the_agent_ends_is_told_by_the_next_one_and_nothing_else_is() {
    let now = Instant::now();
    let changes: Vec<Transition> = (0..30)
        .map(|number| transition(number, 10, &format!("xid-{number}")))
        .collect();
    let mut outbox = outbox(now);
    outbox.note(&changes[..20]);
    let mut told = 0;
    while let Some((key, _)) = outbox.next(now, "one", "u") {
        outbox.told(&key);
        told += 1;
    }
    assert_eq!(told, BURST, "the others wait behind the refill");
    let mut next = Outbox::new(outbox.so_far(), now);
    assert_eq!(next.so_far(), outbox.so_far(), "a restart at once loses none");
    next.note(&changes);
    assert_eq!(next.kinds.len(), 20);
    assert_eq!(next.so_far(), Told::new(30, (10..30).collect()));
}

#[test]
fn a_clock_that_is_set_back_loses_no_change() {
    let now = Instant::now();
    let mut outbox = Outbox::new(Told::new(3, BTreeSet::new()), now);
    outbox.note(&[
        transition(2, 5_000, "hot"),
        transition(3, 10, "hot"),
        transition(4, 9, "lost"),
    ]);
    assert_eq!(outbox.so_far(), Told::new(5, BTreeSet::from([3, 4])));
    assert!(outbox.next(now, "one", "u").is_some());
}

#[test]
fn a_storm_is_neither_memory_nor_writes() {
    let now = Instant::now();
    let mut outbox = outbox(now);
    for number in 0..10_000 {
        outbox.note(&[transition(number + 1, 10, &format!("xid-{number}"))]);
    }
    assert!(outbox.kinds.len() <= REMEMBERED);
    let mut written = 0;
    while let Some((key, _)) = outbox.next(now, "one", "u") {
        outbox.told(&key);
        written += 1;
    }
    assert_eq!(written, BURST);
    assert_eq!(outbox.due(now), Some(now + REFILL));
}

#[test]
fn what_the_agent_before_this_one_has_told_is_not_told_again_and_what_it_cannot_have_told_is() {
    let now = Instant::now();
    let mut outbox = outbox(now);
    outbox.note(&[transition(1, 10, "hot"), transition(2, 40, "slow")]);
    outbox.told_by_another(Timestamp::from_second(30).unwrap());
    assert_eq!(outbox.so_far().untold, BTreeSet::from([2]));
    let (key, due) = outbox.next(now, "one", "u").unwrap();
    assert_eq!(key.0, transition(2, 40, "slow").reason());
    assert!(matches!(due, Due::Create(_)), "{due:?}");
    outbox.told(&key);
    assert_eq!(outbox.next(now, "one", "u"), None);
    outbox.note(&[transition(3, 50, "hot")]);
    let (key, due) = outbox.next(now, "one", "u").unwrap();
    assert!(matches!(due, Due::Count(..)), "{due:?}");
    outbox.gone(&key);
    let (_, due) = outbox.next(now, "one", "u").unwrap();
    assert!(matches!(due, Due::Create(_)), "it had another name: {due:?}");
}
