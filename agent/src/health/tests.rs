use super::reasons::{CONDITIONS, Clear, REASONS, reason};
use super::*;
use bedplate_protocol::{Finding, GpuVerdict, Health, RecommendedAction, Severity, Verdict};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

const UUID: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001";
const TEN: SignedDuration = SignedDuration::from_secs(10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + seconds)
}

fn subject() -> String {
    format!("gpu-1/{UUID}")
}

fn finding(code: &str) -> Finding {
    Finding::new(Severity::Error, code, subject(), format!("{code} is so"), "cure")
}

fn verdict(findings: Vec<Finding>) -> Verdict {
    let gpu = GpuVerdict {
        index: 0,
        uuid: Some(UUID.into()),
        name: None,
        pci_address: Some("0000:18:00.0".into()),
        health: Health::Healthy,
        action: None,
    };
    Verdict {
        health: Health::Healthy,
        gpus: vec![gpu],
        action: None,
        findings,
    }
}

fn era(boot: &str, driver: u64) -> Era {
    Era {
        boot_id: boot.into(),
        driver: Some(driver),
    }
}

/// Everything was looked at and the GPU was read.
fn whole() -> Sight {
    let names = || BTreeSet::from([UUID.to_owned(), "0000:18:00.0".to_owned(), "gpu-0".to_owned()]);
    Sight {
        era: era("a", 1),
        senses: BTreeSet::from([Sense::Host, Sense::Nvml, Sense::Gpu, Sense::KernelLog]),
        read: names(),
        there: names(),
        reset: BTreeSet::new(),
        withdrawn: BTreeSet::new(),
        complete: true,
    }
}

fn fold() -> Fold {
    Fold::new(Vec::new(), TEN, Memory::default())
}

fn status(fold: &Fold, kind: &str) -> Status {
    fold.conditions()
        .into_iter()
        .find(|condition| condition.kind == kind)
        .unwrap()
        .status
}

#[test]
fn conditions_begin_unknown_and_are_false_once_somebody_has_looked() {
    let mut fold = fold();
    fold.tick(at(0));
    assert!(
        fold.conditions()
            .iter()
            .all(|condition| condition.status == Status::Unknown)
    );
    assert_eq!(fold.verdict().health, Health::Unknown);
    fold.observe(at(1), &verdict(vec![]), &whole());
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
fn a_fault_is_a_condition_a_transition_and_the_gpus_verdict_at_once() {
    let mut fold = fold();
    fold.observe(at(0), &verdict(vec![]), &whole());
    let lost = finding("gpu-lost").with_action(RecommendedAction::Reboot);
    let changes = fold.observe(at(10), &verdict(vec![lost]), &whole());
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].change, changes[0].reason().as_str()),
        (Change::Raised, "GpuLost")
    );
    let condition = fold
        .conditions()
        .into_iter()
        .find(|condition| condition.kind == "GPUHardwareProblem")
        .unwrap();
    assert_eq!((condition.status, condition.reason.as_str()), (Status::True, "GpuLost"));
    assert!(
        condition.message.starts_with("Recommended: reboot."),
        "{}",
        condition.message
    );
    assert_eq!(condition.last_transition, at(10));
    let now = fold.verdict();
    assert_eq!(
        (now.health, now.action),
        (Health::Problem, Some(RecommendedAction::Reboot))
    );
    assert_eq!(
        (now.gpus[0].health, now.gpus[0].action),
        (Health::Problem, Some(RecommendedAction::Reboot))
    );
}

#[test]
fn what_clears_on_evidence_stays_until_the_driver_is_loaded_again() {
    let mut fold = fold();
    fold.observe(at(0), &verdict(vec![finding("ecc-uncorrected")]), &whole());
    for second in 1..100 {
        assert_eq!(fold.observe(at(second * 10), &verdict(vec![]), &whole()), []);
    }
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::True);
    let changes = fold.observe(
        at(1000),
        &verdict(vec![]),
        &Sight {
            era: era("a", 2),
            ..whole()
        },
    );
    assert_eq!(changes[0].change, Change::Cleared);
    assert!(changes[0].message.contains("loaded again"), "{}", changes[0].message);
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::False);
}

#[test]
fn a_reset_of_its_gpu_is_evidence_and_of_another_is_not() {
    for (reset, cleared) in [(UUID, 1), ("GPU-another", 0)] {
        let mut fold = fold();
        fold.observe(at(0), &verdict(vec![finding("ecc-uncorrected")]), &whole());
        let sight = Sight {
            reset: BTreeSet::from([reset.to_owned()]),
            ..whole()
        };
        assert_eq!(fold.observe(at(10), &verdict(vec![]), &sight).len(), cleared, "{reset}");
    }
}

#[test]
fn what_the_driver_takes_back_ends_an_xid_and_nothing_that_was_counted() {
    for (code, name, cleared) in [
        ("xid-fatal", UUID, 1),
        ("xid-fatal", "GPU-another", 0),
        ("ecc-uncorrected", UUID, 0),
    ] {
        let mut fold = fold();
        fold.observe(at(0), &verdict(vec![finding(code)]), &whole());
        let sight = Sight {
            withdrawn: BTreeSet::from([name.to_owned()]),
            ..whole()
        };
        let changes = fold.observe(at(10), &verdict(vec![]), &sight);
        assert_eq!(changes.len(), cleared, "{code} of {name}");
    }
}

#[test]
fn a_gpu_that_does_not_answer_proves_nothing() {
    let mut fold = fold();
    fold.observe(at(0), &verdict(vec![finding("row-remapping-pending")]), &whole());
    let blind = Sight {
        read: BTreeSet::new(),
        ..whole()
    };
    for second in 1..20 {
        assert_eq!(fold.observe(at(second * 10), &verdict(vec![]), &blind), []);
    }
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::True);
    assert_eq!(fold.observe(at(200), &verdict(vec![]), &whole()).len(), 1);
}

#[test]
fn a_gpu_that_was_taken_out_takes_its_findings_with_it_at_the_next_boot() {
    let mut fold = fold();
    fold.observe(at(0), &verdict(vec![finding("gpu-lost")]), &whole());
    let without = Sight {
        read: BTreeSet::new(),
        there: BTreeSet::new(),
        ..whole()
    };
    assert_eq!(fold.observe(at(10), &verdict(vec![]), &without), []);
    let booted = Sight {
        era: era("b", 1),
        ..without
    };
    let changes = fold.observe(at(20), &verdict(vec![]), &booted);
    assert!(
        changes[0].message.contains("not in the machine"),
        "{}",
        changes[0].message
    );
}

#[test]
fn silence_makes_unknown_what_was_fine_and_leaves_what_was_not() {
    let mut fold = fold();
    fold.observe(at(0), &verdict(vec![finding("gpu-lost")]), &whole());
    fold.tick(at(30));
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::False);
    fold.tick(at(31));
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::Unknown);
    assert_eq!(status(&fold, "GPUHardwareProblem"), Status::True);
    let memory = fold
        .conditions()
        .into_iter()
        .find(|condition| condition.kind == "GPUMemoryProblem")
        .unwrap();
    assert_eq!((memory.reason.as_str(), memory.last_transition), ("Silent", at(31)));
    fold.observe(at(40), &verdict(vec![finding("gpu-lost")]), &whole());
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::False);
}

#[test]
fn what_could_not_be_read_is_unknown_and_not_true() {
    let mut fold = fold();
    let blind = Sight {
        read: BTreeSet::new(),
        ..whole()
    };
    fold.observe(at(0), &verdict(vec![finding("gpu-value-unreadable")]), &blind);
    for kind in ["GPUUnresponsive", "GPUMemoryProblem", "GPUHardwareProblem"] {
        assert_eq!(status(&fold, kind), Status::Unknown, "{kind}");
    }
    assert_eq!(status(&fold, "NodePressureProblem"), Status::False);
    assert_eq!(fold.verdict().health, Health::Unknown);
}

#[test]
fn a_finding_that_comes_and_goes_needs_ever_longer_to_go() {
    let mut fold = fold();
    let mut clock = 0;
    let mut needed = Vec::new();
    for _ in 0..4 {
        clock += 10;
        fold.observe(at(clock), &verdict(vec![finding("nvlink-inactive")]), &whole());
        let mut looks = 0;
        while status(&fold, "GPULinkProblem") == Status::True {
            clock += 10;
            looks += 1;
            fold.observe(at(clock), &verdict(vec![]), &whole());
        }
        needed.push(looks);
    }
    assert_eq!(needed, [2, 4, 8, 16]);
}

#[test]
fn a_lookless_repetition_is_no_second_observation() {
    let mut fold = fold();
    let kernel_log = Sight {
        senses: BTreeSet::from([Sense::KernelLog]),
        ..whole()
    };
    let slow = || {
        verdict(vec![Finding {
            severity: Severity::Warning,
            ..finding("pcie-link-width")
        }])
    };
    assert_eq!(fold.observe(at(0), &slow(), &whole()), []);
    assert_eq!(fold.observe(at(1), &slow(), &kernel_log), []);
    assert_eq!(fold.observe(at(10), &slow(), &whole()).len(), 1);
    assert_eq!(
        status(&fold, "GPULinkProblem"),
        Status::False,
        "a warning is no condition"
    );
}

fn wanted(code: &str, mode: Mode, expires: Timestamp) -> Override {
    Override {
        code: code.into(),
        mode,
        owner: "ops".into(),
        reason: "riser is on order".into(),
        expires,
    }
}

#[test]
fn an_override_watches_or_switches_off_until_it_expires_and_that_is_said() {
    for (mode, shown) in [(Mode::Monitor, 1), (Mode::Off, 0)] {
        let mut fold = Fold::new(vec![wanted("gpu-lost", mode, at(100))], TEN, Memory::default());
        fold.observe(at(0), &verdict(vec![finding("gpu-lost")]), &whole());
        assert_eq!(status(&fold, "GPUHardwareProblem"), Status::False);
        let now = fold.verdict();
        assert_eq!((now.health, now.findings.len()), (Health::Healthy, shown));
        assert!(
            now.findings
                .iter()
                .all(|finding| finding.accepted.as_ref().unwrap().contains("riser is on order (ops)"))
        );
        assert_eq!(fold.notices(at(99)), []);
        fold.observe(at(100), &verdict(vec![finding("gpu-lost")]), &whole());
        assert_eq!(status(&fold, "GPUHardwareProblem"), Status::True, "{mode:?}");
        assert_eq!(fold.notices(at(100))[0].code, "override-expired");
    }
    let fold = Fold::new(vec![wanted("no-such-code", Mode::Off, at(100))], TEN, Memory::default());
    assert_eq!(fold.notices(at(0))[0].code, "override-unknown-code");
}

#[test]
fn a_restart_keeps_what_holds_since_when_and_the_numbers_of_transitions() {
    let mut before = fold();
    before.observe(at(0), &verdict(vec![]), &whole());
    before.observe(at(10), &verdict(vec![finding("ecc-uncorrected")]), &whole());
    let text = serde_json::to_string(before.memory()).unwrap();
    let mut after = Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap());
    after.tick(at(20));
    let since = |fold: &Fold| -> Vec<_> {
        fold.conditions()
            .iter()
            .map(|condition| (condition.kind, condition.status, condition.last_transition))
            .collect()
    };
    assert_eq!(since(&before), since(&after));
    assert_eq!(
        after.observe(at(30), &verdict(vec![finding("ecc-uncorrected")]), &whole()),
        []
    );
    let more = after.observe(
        at(40),
        &verdict(vec![finding("ecc-uncorrected"), finding("gpu-irq")]),
        &whole(),
    );
    assert_eq!(more[0].sequence, 1);
}

#[test]
fn time_in_which_no_agent_ran_is_no_silence_and_a_status_outlives_it() {
    let mut before = fold();
    before.observe(at(0), &verdict(vec![]), &whole());
    let text = serde_json::to_string(before.memory()).unwrap();
    let mut after = Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap());
    after.tick(at(1000));
    assert_eq!(status(&after, "GPUXidProblem"), Status::False);
    // Having had the time to look and not looked is silence, restart or not.
    after.tick(at(1030));
    assert_eq!(status(&after, "GPUXidProblem"), Status::False);
    after.tick(at(1031));
    assert_eq!(status(&after, "GPUXidProblem"), Status::Unknown);
    // What was silent before is so after.
    let text = serde_json::to_string(after.memory()).unwrap();
    let mut again = Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap());
    again.tick(at(5000));
    assert_eq!(status(&again, "GPUXidProblem"), Status::Unknown);
    again.observe(at(5001), &verdict(vec![]), &whole());
    assert_eq!(status(&again, "GPUXidProblem"), Status::False);
}

#[test]
fn every_row_of_the_table_can_be_raised_and_cleared() {
    for row in REASONS {
        let code = row.code.replace('*', "some");
        let mut fold = fold();
        fold.observe(at(0), &verdict(vec![]), &whole());
        let mut raised = 0;
        for second in 1..=i64::from(row.raise) {
            raised += fold.observe(at(second), &verdict(vec![finding(&code)]), &whole()).len();
        }
        assert_eq!(raised, usize::from(row.mode != Mode::Off), "{code}");
        let expected = match (row.mode, row.unread) {
            (Mode::On, false) => Status::True,
            (Mode::On, true) => Status::Unknown,
            _ => Status::False,
        };
        assert_eq!(status(&fold, row.condition), expected, "{code}");
        let booted = Sight {
            era: era("b", 2),
            ..whole()
        };
        let looks = match row.clear {
            Clear::Observations(count) => count,
            Clear::Driver | Clear::Reboot => 1,
        };
        for second in 0..i64::from(looks) {
            fold.observe(at(100 + second), &verdict(vec![]), &booted);
        }
        assert_eq!(status(&fold, row.condition), Status::False, "{code}");
    }
}

#[test]
fn every_code_of_the_checks_has_a_row_and_is_unread_in_both_or_in_none() {
    for code in crate::checks::codes::ALL {
        let row = reason(code.name);
        assert_ne!(row.code, "*", "reasons.yaml has no row for {}", code.name);
        assert_eq!(row.unread, code.unread, "{}", code.name);
    }
}

#[test]
fn reasons_and_types_are_words_that_the_api_accepts() {
    for kind in CONDITIONS {
        for word in [kind.name, kind.fine_reason] {
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
        }
    }
}

fn codes() -> Vec<String> {
    REASONS.iter().map(|row| row.code.replace('*', "some")).collect()
}

fn some_findings() -> impl Strategy<Value = Vec<Finding>> {
    let actions = [
        None,
        Some(RecommendedAction::ResetGpu),
        Some(RecommendedAction::Service),
    ];
    let one = (
        prop::sample::select(codes()),
        prop::sample::select(vec![Severity::Info, Severity::Warning, Severity::Error]),
        prop::sample::select(vec![subject(), "gpu-1".to_owned(), "gpu-1/0000:38:00.0".to_owned()]),
        prop::sample::select(actions.to_vec()),
        "[a-c]{1,2}",
    );
    let one = one.prop_map(|(code, severity, subject, action, message)| Finding {
        action,
        ..Finding::new(severity, code, subject, message, "cure")
    });
    prop::collection::vec(one, 0..6)
}

/// What could be looked at in an observation: everything, or parts.
fn some_sight() -> impl Strategy<Value = Sight> {
    let senses = [Sense::Host, Sense::Nvml, Sense::Gpu, Sense::KernelLog];
    (
        prop::sample::subsequence(senses.to_vec(), 0..=4),
        any::<bool>(),
        1..3_u64,
        prop::sample::select(vec!["a", "b"]),
    )
        .prop_map(|(senses, read, driver, boot)| Sight {
            senses: senses.into_iter().collect(),
            read: if read { whole().read } else { BTreeSet::new() },
            era: era(boot, driver),
            ..whole()
        })
}

proptest! {
    #[test]
    fn no_node_is_healthy_while_an_error_is_being_seen(history in prop::collection::vec((some_findings(), some_sight(), 1..40_i64), 1..20)) {
        let mut fold = fold();
        let mut clock = 0;
        for (findings, sight, pause) in history {
            clock += pause;
            fold.observe(at(clock), &verdict(findings.clone()), &sight);
            for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
                let row = reason(&finding.code);
                if row.mode == Mode::On && row.raise == 1 {
                    prop_assert!(fold.verdict().health != Health::Healthy, "{finding}");
                    let condition = status(&fold, row.condition);
                    prop_assert!(condition == Status::True || (row.unread && condition == Status::Unknown), "{finding}: {condition:?}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_findings_makes_no_difference(findings in some_findings(), sight in some_sight()) {
        let mut backwards = findings.clone();
        backwards.reverse();
        let (mut one, mut other) = (fold(), fold());
        let changes = one.observe(at(0), &verdict(findings), &sight);
        prop_assert_eq!(changes, other.observe(at(0), &verdict(backwards), &sight));
        prop_assert_eq!(one.conditions(), other.conditions());
        prop_assert_eq!(one.verdict(), other.verdict());
        prop_assert_eq!(one.memory(), other.memory());
    }

    #[test]
    fn a_transition_time_moves_with_the_status_and_with_nothing_else(history in prop::collection::vec((some_findings(), some_sight(), 1..40_i64), 1..20)) {
        let mut fold = fold();
        fold.tick(at(0));
        let mut before = fold.conditions();
        let mut clock = 0;
        for (findings, sight, pause) in history {
            clock += pause;
            fold.observe(at(clock), &verdict(findings), &sight);
            let now = fold.conditions();
            for (old, new) in before.iter().zip(&now) {
                let expected = if old.status == new.status { old.last_transition } else { at(clock) };
                prop_assert_eq!(new.last_transition, expected, "{}", new.kind);
                prop_assert_eq!(new.last_heartbeat, at(clock));
            }
            before = now;
        }
    }

    #[test]
    fn a_restart_anywhere_changes_nothing(history in prop::collection::vec((some_findings(), some_sight()), 2..12), cut in 0..10_usize) {
        let (mut one, mut other) = (fold(), fold());
        for (step, (findings, sight)) in history.into_iter().enumerate() {
            let clock = at(i64::try_from(step).unwrap() * 10);
            let verdict = verdict(findings);
            prop_assert_eq!(one.observe(clock, &verdict, &sight), other.observe(clock, &verdict, &sight));
            if step == cut {
                let text = serde_json::to_string(other.memory()).unwrap();
                other = Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap());
                // As the daemon does before it tells anybody anything.
                other.tick(clock);
            }
            prop_assert_eq!(one.memory(), other.memory());
        }
        prop_assert_eq!(one.conditions(), other.conditions());
    }
}
