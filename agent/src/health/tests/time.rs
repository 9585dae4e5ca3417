//! Silence, clocks and restarts.

use super::*;

#[test]
fn conditions_begin_unknown_and_are_false_once_somebody_has_looked() {
    let mut fold = fold();
    fold.tick(now(0));
    assert!(
        fold.conditions()
            .iter()
            .all(|condition| condition.status == Status::Unknown)
    );
    assert_eq!(fold.verdict().health, Health::Unknown);
    fold.observe(now(1), &verdict(vec![]), &whole());
    assert!(
        fold.conditions()
            .iter()
            .all(|condition| condition.status == Status::False),
        "{:#?}",
        fold.conditions()
    );
    assert_eq!(fold.verdict().health, Health::Healthy);
}

#[test]
fn silence_makes_unknown_what_was_fine_and_leaves_what_was_not() {
    let mut fold = fold();
    fold.observe(now(0), &verdict(vec![finding("gpu-lost")]), &whole());
    fold.tick(now(30));
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::False);
    fold.tick(now(31));
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::Unknown);
    assert_eq!(status(&fold, "GPUHardwareProblem"), Status::True);
    let memory = fold
        .conditions()
        .into_iter()
        .find(|condition| condition.kind == "GPUMemoryProblem")
        .unwrap();
    assert_eq!((memory.reason.as_str(), memory.last_transition), ("Silent", at(31)));
    fold.observe(now(40), &verdict(vec![finding("gpu-lost")]), &whole());
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::False);
}

#[test]
fn a_restart_keeps_what_holds_since_when_and_the_numbers_of_transitions() {
    let mut before = fold();
    before.observe(now(0), &verdict(vec![]), &whole());
    before.observe(now(10), &verdict(vec![finding("ecc-uncorrected")]), &whole());
    let text = serde_json::to_string(before.memory()).unwrap();
    let mut after = Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap());
    after.tick(now(20));
    let since = |fold: &Fold| -> Vec<_> {
        fold.conditions()
            .iter()
            .map(|condition| (condition.kind, condition.status, condition.last_transition))
            .collect()
    };
    assert_eq!(since(&before), since(&after));
    assert_eq!(
        after.observe(now(30), &verdict(vec![finding("ecc-uncorrected")]), &whole()),
        []
    );
    let more = after.observe(
        now(40),
        &verdict(vec![finding("ecc-uncorrected"), finding("gpu-irq")]),
        &whole(),
    );
    assert_eq!(more[0].sequence, 1);
}

#[test]
fn time_in_which_no_agent_ran_is_no_silence_and_a_status_outlives_it() {
    let mut before = fold();
    before.observe(now(0), &verdict(vec![]), &whole());
    let text = serde_json::to_string(before.memory()).unwrap();
    let mut after = Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap());
    after.tick(now(1000));
    assert_eq!(status(&after, "GPUXidProblem"), Status::False);
    // Having had the time to look and not looked is silence, restart or not.
    after.tick(now(1030));
    assert_eq!(status(&after, "GPUXidProblem"), Status::False);
    after.tick(now(1031));
    assert_eq!(status(&after, "GPUXidProblem"), Status::Unknown);
    // What was silent before is so after.
    let text = serde_json::to_string(after.memory()).unwrap();
    let mut again = Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap());
    again.tick(now(5000));
    assert_eq!(status(&again, "GPUXidProblem"), Status::Unknown);
    again.observe(now(5001), &verdict(vec![]), &whole());
    assert_eq!(status(&again, "GPUXidProblem"), Status::False);
}

#[test]
fn a_clock_that_is_set_makes_nobody_silent() {
    for step in [-86_400, -31, 31, 86_400] {
        let mut fold = fold();
        fold.observe(now(0), &verdict(vec![]), &whole());
        let set = |steady: u64| Moment {
            at: at(i64::try_from(steady).unwrap() + step),
            steady: Duration::from_secs(steady),
        };
        fold.observe(set(10), &verdict(vec![]), &whole());
        assert!(
            fold.conditions()
                .iter()
                .all(|condition| condition.status == Status::False && condition.last_heartbeat == set(10).at),
            "{step}: {:?}",
            fold.conditions()
        );
        assert_eq!(fold.verdict().health, Health::Healthy);
        // And hides nobody's silence.
        fold.tick(set(40));
        assert_eq!(status(&fold, "GPUXidProblem"), Status::False, "{step}");
        fold.tick(set(41));
        assert_eq!(status(&fold, "GPUXidProblem"), Status::Unknown, "{step}");
    }
}

#[test]
fn a_sense_was_looked_with_no_later_than_now() {
    let mut fold = fold();
    fold.observe(now(1000), &verdict(vec![]), &whole());
    let back = Moment {
        at: at(0),
        steady: Duration::from_secs(1031),
    };
    fold.tick(back);
    let silent = fold
        .conditions()
        .into_iter()
        .find(|condition| condition.reason == "Silent");
    assert_eq!(silent.unwrap().message, format!("not looked at since {}", at(0)));
}

#[test]
fn a_condition_says_why_it_is_unknown_as_soon_as_that_is_known() {
    let condition = |fold: &Fold, kind: &str| {
        let mut all = fold.conditions().into_iter();
        all.find(|condition| condition.kind == kind).unwrap()
    };
    let node = |severity, code: &str, message: &str| Finding::new(severity, code, "gpu-1", message, "cure");
    let log = node(
        Severity::Warning,
        "kernel-log-unreadable",
        "/dev/kmsg: permission denied",
    );
    let driver = node(Severity::Error, "nvidia-library-missing", "no libnvidia-ml.so.1");
    let blind = Sight {
        senses: BTreeSet::from([Sense::Host, Sense::Nvml]),
        ..whole()
    };
    for wanted in [None, Some(Mode::Monitor)] {
        let overrides = wanted.map(|mode| Override {
            mode: Some(mode),
            ..serde_json::from_value(
                serde_json::json!({"code": "kernel-log-unreadable", "mode": "on", "owner": "me",
                "reason": "r", "expires": "2999-01-01T00:00:00Z"}),
            )
            .unwrap()
        });
        let mut fold = Fold::new(overrides.into_iter().collect(), TEN, Memory::default());
        fold.tick(now(0));
        assert_eq!(condition(&fold, "GPUXidProblem").reason, "NotObservedYet");
        fold.observe(now(1), &verdict(vec![log.clone(), driver.clone()]), &blind);
        let xid = condition(&fold, "GPUXidProblem");
        assert_eq!(
            (xid.status, xid.reason.as_str()),
            (Status::Unknown, "KernelLogUnreadable")
        );
        assert!(xid.message.contains("/dev/kmsg: permission denied"), "{}", xid.message);
        let memory = condition(&fold, "GPUMemoryProblem");
        assert_eq!(
            (memory.status, memory.reason.as_str()),
            (Status::Unknown, "NvidiaLibraryMissing")
        );
        assert_eq!(status(&fold, "GPUDriverProblem"), Status::True);
        fold.observe(now(2), &verdict(vec![]), &whole());
        assert_eq!(status(&fold, "GPUXidProblem"), Status::False);
    }
}
