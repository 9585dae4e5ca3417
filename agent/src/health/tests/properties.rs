//! What holds of any history.

use super::*;
use proptest::prelude::*;

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
    fn only_a_clock_that_nobody_sets_makes_silent(steps in prop::collection::vec((-100_000_i64..100_000, 1..25_u64, any::<bool>()), 1..30)) {
        let mut fold = fold();
        fold.observe(now(0), &verdict(vec![]), &whole());
        let (mut steady, mut looked) = (0, 0);
        for (wall, passed, looks) in steps {
            steady += passed;
            let moment = Moment { at: at(wall), steady: Duration::from_secs(steady) };
            if looks {
                fold.observe(moment, &verdict(vec![]), &whole());
                looked = steady;
            } else {
                fold.tick(moment);
            }
            let expected = if steady - looked > 30 { Status::Unknown } else { Status::False };
            for condition in fold.conditions() {
                prop_assert_eq!(condition.status, expected, "{} at {} s", condition.kind, steady);
            }
        }
    }

    #[test]
    fn no_node_is_healthy_while_an_error_is_being_seen(history in prop::collection::vec((some_findings(), some_sight(), 1..40_i64), 1..20)) {
        let mut fold = fold();
        let mut clock = 0;
        for (findings, sight, pause) in history {
            clock += pause;
            fold.observe(now(clock), &verdict(findings.clone()), &sight);
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
        let changes = one.observe(now(0), &verdict(findings), &sight);
        prop_assert_eq!(changes, other.observe(now(0), &verdict(backwards), &sight));
        prop_assert_eq!(one.conditions(), other.conditions());
        prop_assert_eq!(one.verdict(), other.verdict());
        prop_assert_eq!(one.memory(), other.memory());
    }

    #[test]
    fn a_transition_time_moves_with_the_status_and_with_nothing_else(history in prop::collection::vec((some_findings(), some_sight(), 1..40_i64), 1..20)) {
        let mut fold = fold();
        fold.tick(now(0));
        let mut before = fold.conditions();
        let mut clock = 0;
        for (findings, sight, pause) in history {
            clock += pause;
            fold.observe(now(clock), &verdict(findings), &sight);
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
            let clock = now(i64::try_from(step).unwrap() * 10);
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
