//! When a finding begins to hold and when it ends.

use super::*;

#[test]
fn a_fault_is_a_condition_a_transition_and_the_gpus_verdict_at_once() {
    let mut fold = fold();
    fold.observe(now(0), &verdict(vec![]), &whole());
    let lost = finding("gpu-lost").with_action(RecommendedAction::Reboot);
    let changes = fold.observe(now(10), &verdict(vec![lost]), &whole());
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
    fold.observe(now(0), &verdict(vec![finding("ecc-uncorrected")]), &whole());
    for second in 1..100 {
        assert_eq!(fold.observe(now(second * 10), &verdict(vec![]), &whole()), []);
    }
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::True);
    let changes = fold.observe(
        now(1000),
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
        fold.observe(now(0), &verdict(vec![finding("ecc-uncorrected")]), &whole());
        let sight = Sight {
            reset: BTreeSet::from([reset.to_owned()]),
            ..whole()
        };
        assert_eq!(
            fold.observe(now(10), &verdict(vec![]), &sight).len(),
            cleared,
            "{reset}"
        );
    }
}

#[test]
fn a_gpu_that_does_not_answer_proves_nothing() {
    let mut fold = fold();
    fold.observe(now(0), &verdict(vec![finding("row-remapping-pending")]), &whole());
    let blind = Sight {
        read: BTreeSet::new(),
        ..whole()
    };
    for second in 1..20 {
        assert_eq!(fold.observe(now(second * 10), &verdict(vec![]), &blind), []);
    }
    assert_eq!(status(&fold, "GPUMemoryProblem"), Status::True);
    assert_eq!(fold.observe(now(200), &verdict(vec![]), &whole()).len(), 1);
}

#[test]
fn a_gpu_that_was_taken_out_takes_its_findings_with_it_at_the_next_boot_if_none_is_missed() {
    let mut fold = fold();
    fold.observe(now(0), &verdict(vec![finding("gpu-lost")]), &whole());
    let without = Sight {
        read: BTreeSet::new(),
        there: BTreeSet::new(),
        ..whole()
    };
    assert_eq!(fold.observe(now(10), &verdict(vec![]), &without), []);
    let booted = Sight {
        era: era("b", 1),
        ..without
    };
    assert_eq!(
        fold.observe(now(15), &verdict(vec![]), &booted),
        [],
        "it may as well be dead"
    );
    let booted = Sight {
        counted: true,
        ..booted
    };
    let changes = fold.observe(now(20), &verdict(vec![]), &booted);
    assert!(
        changes[0].message.contains("not in the machine"),
        "{}",
        changes[0].message
    );
}

#[test]
fn what_could_not_be_read_is_unknown_and_not_true() {
    let mut fold = fold();
    let blind = Sight {
        read: BTreeSet::new(),
        ..whole()
    };
    fold.observe(now(0), &verdict(vec![finding("gpu-value-unreadable")]), &blind);
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
        fold.observe(now(clock), &verdict(vec![finding("nvlink-inactive")]), &whole());
        let mut looks = 0;
        while status(&fold, "GPULinkProblem") == Status::True {
            clock += 10;
            looks += 1;
            fold.observe(now(clock), &verdict(vec![]), &whole());
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
    assert_eq!(fold.observe(now(0), &slow(), &whole()), []);
    assert_eq!(fold.observe(now(1), &slow(), &kernel_log), []);
    assert_eq!(fold.observe(now(10), &slow(), &whole()).len(), 1);
    assert_eq!(
        status(&fold, "GPULinkProblem"),
        Status::False,
        "a warning is no condition"
    );
}

#[test]
fn passes_on_one_anothers_heels_are_one_where_several_are_asked_for() {
    let mut fold = fold();
    let early = Sight { early: true, ..whole() };
    let found = || verdict(vec![finding("mig-without-devices")]);
    assert_eq!(fold.observe(now(0), &found(), &whole()), []);
    for second in 1..5 {
        assert_eq!(fold.observe(now(second), &found(), &early), [], "{second}");
    }
    assert_eq!(fold.observe(now(10), &found(), &whole()), []);
    assert_eq!(fold.observe(now(20), &found(), &whole()).len(), 1, "the third");
    let ecc = || verdict(vec![finding("gpu-reset-required")]);
    assert_eq!(
        fold.observe(now(21), &ecc(), &early).len(),
        2,
        "what one look tells is told at once, and ends at once"
    );
    assert_eq!(fold.observe(now(22), &verdict(vec![]), &early), []);
    assert_eq!(fold.observe(now(30), &verdict(vec![]), &whole()), []);
    assert_eq!(fold.observe(now(31), &verdict(vec![]), &early), []);
    assert_eq!(fold.observe(now(40), &verdict(vec![]), &whole()).len(), 1);
}

#[test]
fn what_is_read_once_a_minute_counts_once_a_minute() {
    let mut fold = fold();
    let minute = whole();
    let mut between = whole();
    between.senses.remove(&Sense::WholeHost);
    let found = || verdict(vec![finding("dpkg-interrupted")]);
    assert_eq!(fold.observe(now(0), &found(), &minute), []);
    for second in [10, 20, 30, 40, 50] {
        assert_eq!(
            fold.observe(now(second), &found(), &between),
            [],
            "a copy of one reading"
        );
    }
    assert_eq!(fold.observe(now(60), &found(), &minute).len(), 1);
    assert_eq!(fold.observe(now(70), &found(), &between), []);
    assert_eq!(fold.observe(now(120), &verdict(vec![]), &minute).len(), 1);
}

#[test]
fn a_faulty_gpu_with_another_in_its_place_after_a_boot_is_gone() {
    for (there, gone) in [("GPU-another", 1), ("nothing", 0)] {
        let mut fold = fold();
        fold.observe(now(0), &verdict(vec![]), &whole());
        fold.observe(now(5), &verdict(vec![finding("gpu-lost")]), &whole());
        let mut names = BTreeSet::from([there.to_owned()]);
        if there != "nothing" {
            names.insert("0000:18:00.0".to_owned());
        }
        let booted = Sight {
            era: era("b", 1),
            read: names.clone(),
            there: names,
            ..whole()
        };
        let mut verdict = verdict(vec![]);
        verdict
            .gpus
            .iter_mut()
            .for_each(|gpu| gpu.uuid = Some(there.to_owned()));
        assert_eq!(fold.observe(now(100), &verdict, &booted).len(), gone, "{there}");
    }
}
