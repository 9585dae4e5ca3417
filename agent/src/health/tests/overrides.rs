//! What an operator wants otherwise.

use super::*;

fn wanted(code: &str, mode: Mode, expires: Timestamp) -> Override {
    Override {
        code: code.into(),
        gpu: None,
        xid: None,
        mode: Some(mode),
        severity: None,
        action: None,
        owner: "ops".into(),
        reason: "riser is on order".into(),
        expires,
    }
}

#[test]
fn an_override_watches_or_switches_off_until_it_expires_and_that_is_said() {
    for (mode, shown) in [(Mode::Monitor, 1), (Mode::Off, 0)] {
        let mut fold = Fold::new(vec![wanted("gpu-lost", mode, at(100))], TEN, Memory::default());
        fold.observe(now(0), &verdict(vec![finding("gpu-lost")]), &whole());
        assert_eq!(status(&fold, "GPUHardwareProblem"), Status::False);
        let judged = fold.verdict();
        assert_eq!((judged.health, judged.findings.len()), (Health::Healthy, shown));
        assert!(
            judged.findings.iter().all(|finding| finding
                .accepted
                .as_ref()
                .unwrap()
                .contains("riser is on order (ops)"))
        );
        assert_eq!(fold.notices(at(99)), []);
        fold.observe(now(100), &verdict(vec![finding("gpu-lost")]), &whole());
        assert_eq!(status(&fold, "GPUHardwareProblem"), Status::True, "{mode:?}");
        assert_eq!(fold.notices(at(100))[0].code, "override-expired");
    }
    let fold = Fold::new(vec![wanted("no-such-code", Mode::Off, at(100))], TEN, Memory::default());
    assert_eq!(fold.notices(at(0))[0].code, "override-unknown-code");
}

fn until_100(overrides: Vec<Override>) -> Fold {
    Fold::new(overrides, TEN, Memory::default())
}

fn xid(number: u32) -> Finding {
    Finding {
        xid: Some(number),
        message: format!("XID {number} at noon"),
        ..finding("xid-fatal").with_action(RecommendedAction::ResetGpu)
    }
}

#[test]
fn an_override_of_a_beginning_is_of_every_code_that_begins_so() {
    for (code, covered) in [
        ("xid-*", true),
        ("xid-fatal", true),
        ("xid-warning", false),
        ("recovery-*", false),
        ("xid*", false),
        ("*", false),
    ] {
        let mut fold = until_100(vec![wanted(code, Mode::Off, at(100))]);
        fold.observe(now(0), &verdict(vec![xid(79)]), &whole());
        let expected = if covered { Status::False } else { Status::True };
        assert_eq!(status(&fold, "GPUXidProblem"), expected, "{code}");
    }
}

#[test]
fn an_override_of_one_gpu_leaves_the_others_as_they_are() {
    for (gpu, covered) in [
        (UUID, true),
        ("0000:18:00.0", true),
        ("0000:99:00.0", false),
        ("GPU-other", false),
    ] {
        let of_one = Override {
            gpu: Some(gpu.into()),
            ..wanted("gpu-lost", Mode::Monitor, at(100))
        };
        let mut fold = until_100(vec![of_one]);
        fold.observe(now(0), &verdict(vec![]), &whole());
        fold.observe(now(1), &verdict(vec![finding("gpu-lost")]), &whole());
        let expected = if covered { Status::False } else { Status::True };
        assert_eq!(status(&fold, "GPUHardwareProblem"), expected, "{gpu}");
        let told: Vec<String> = fold.notices(at(1)).into_iter().map(|notice| notice.code).collect();
        assert_eq!(told.contains(&"override-unknown-gpu".to_owned()), !covered, "{gpu}");
    }
}

#[test]
fn an_override_of_one_xid_hides_no_other_of_the_same_gpu() {
    let of_79 = |mode| Override {
        xid: Some(79),
        ..wanted("xid-*", mode, at(100))
    };
    for mode in [Mode::Off, Mode::Monitor] {
        let mut fold = until_100(vec![of_79(mode)]);
        fold.observe(now(0), &verdict(vec![xid(79)]), &whole());
        assert_eq!(status(&fold, "GPUXidProblem"), Status::False, "{mode:?}");
        fold.observe(now(1), &verdict(vec![xid(79), xid(119)]), &whole());
        assert_eq!(status(&fold, "GPUXidProblem"), Status::True, "{mode:?}");
        let held = fold.verdict().findings;
        assert_eq!(
            (held.len(), held[0].xid, &held[0].accepted),
            (1, Some(119), &None),
            "{mode:?}"
        );
    }
}

#[test]
fn an_operators_weight_and_action_count_until_they_expire_and_are_said() {
    let lighter = Override {
        xid: Some(119),
        mode: None,
        severity: Some(Severity::Warning),
        action: Some(RecommendedAction::RestartApp),
        ..wanted("xid-*", Mode::On, at(100))
    };
    let mut fold = until_100(vec![lighter]);
    let changes = fold.observe(now(0), &verdict(vec![xid(119)]), &whole());
    assert_eq!(
        (changes[0].severity, changes[0].action),
        (Severity::Warning, Some(RecommendedAction::RestartApp))
    );
    assert_eq!(status(&fold, "GPUXidProblem"), Status::False);
    let judged = fold.verdict();
    assert_eq!(
        (judged.health, judged.action),
        (Health::Healthy, Some(RecommendedAction::RestartApp))
    );
    let evidence = judged.findings[0].evidence.join("\n");
    assert!(
        evidence.contains("would be error and ask for reset GPU") && evidence.contains("riser is on order (ops)"),
        "{evidence}"
    );
    // Nobody has looked since, and the date counts all the same.
    fold.tick(now(101));
    let condition = fold
        .conditions()
        .into_iter()
        .find(|condition| condition.kind == "GPUXidProblem");
    assert_eq!(condition.unwrap().status, Status::True);
    let graver = Override {
        mode: None,
        severity: Some(Severity::Error),
        ..wanted("nvlink-errors", Mode::On, at(100))
    };
    let mut fold = until_100(vec![graver]);
    let errors = Finding {
        severity: Severity::Warning,
        ..finding("nvlink-errors")
    };
    for second in 0..2 {
        fold.observe(now(second), &verdict(vec![errors.clone()]), &whole());
    }
    assert_eq!(status(&fold, "GPULinkProblem"), Status::True);
}

#[test]
fn of_several_overrides_the_first_counts() {
    let mut fold = until_100(vec![
        wanted("xid-fatal", Mode::On, at(100)),
        wanted("xid-*", Mode::Off, at(100)),
    ]);
    fold.observe(now(0), &verdict(vec![xid(79)]), &whole());
    assert_eq!(status(&fold, "GPUXidProblem"), Status::True);
}

#[test]
fn an_override_that_is_about_nothing_is_told() {
    for code in ["xid-79", "xid*", "*", "gpu-lots", "expected-", "xid--*"] {
        let fold = until_100(vec![wanted(code, Mode::Off, at(100))]);
        assert_eq!(fold.notices(at(0))[0].code, "override-unknown-code", "{code}");
    }
    for row in REASONS.iter().filter(|row| row.code != "*") {
        let fold = until_100(vec![wanted(row.code, Mode::Off, at(100))]);
        assert_eq!(fold.notices(at(0)), [], "{}", row.code);
    }
}

#[test]
fn blindness_to_the_kernels_log_can_be_said_to_be_meant() {
    let blind = Sight {
        senses: BTreeSet::from([Sense::Host, Sense::Nvml, Sense::Gpu]),
        ..whole()
    };
    for (overrides, health) in [
        (vec![], Health::Unknown),
        (
            vec![wanted("kernel-log-unreadable", Mode::Monitor, at(100))],
            Health::Healthy,
        ),
    ] {
        let mut fold = until_100(overrides);
        fold.observe(now(0), &verdict(vec![]), &blind);
        assert_eq!(fold.verdict().health, health);
        assert_eq!(status(&fold, "GPUXidProblem"), Status::Unknown);
    }
}
