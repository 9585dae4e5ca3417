//! What is past after the driver was loaded again, a GPU was reset, or the node was booted.

use super::*;
use bedplate_protocol::NodeFacts;
use bedplate_protocol::facts::{GpuFacts, RowRemapping};
use std::collections::BTreeMap;
use std::path::Path;

/// A pass that read the GPU, whose recovery action is this.
fn pass(recovery_action: Option<u32>) -> NodeFacts {
    let mut facts = crate::host::read_facts(Path::new("/nowhere"));
    facts.nvml.gpus = vec![GpuFacts {
        uuid: Some(UUID.into()),
        pci_address: Some("0000:18:00.0".into()),
        recovery_action,
        ..GpuFacts::default()
    }];
    facts
}

/// A fold that has seen a pass in this life of the driver, with this recovery action.
fn after(era: &Era, recovery_action: Option<u32>) -> Fold {
    let mut fold = fold();
    look(&mut fold, 0, era, recovery_action);
    fold
}

fn look(fold: &mut Fold, second: i64, era: &Era, recovery_action: Option<u32>) -> BTreeSet<String> {
    let facts = pass(recovery_action);
    let reset = fold.forgive(at(second), &facts, era, None);
    let sight = Sight {
        reset: reset.clone(),
        era: era.clone(),
        ..whole()
    };
    fold.observe(now(second), &verdict(vec![]), &sight);
    reset
}

/// As a stop and a start leave it.
fn started_again(fold: &Fold) -> Fold {
    let text = serde_json::to_string(fold.memory()).unwrap();
    Fold::new(Vec::new(), TEN, serde_json::from_str(&text).unwrap())
}

#[test]
fn a_driver_that_was_loaded_again_puts_everything_behind_it_that_the_last_pass_knew() {
    for stopped in [false, true] {
        let mut fold = after(&era("a", 1), None);
        look(&mut fold, 50, &era("a", 1), None);
        assert_eq!(&fold.memory.forgiven, &BTreeMap::new());
        if stopped {
            fold = started_again(&fold);
        }
        look(&mut fold, 60, &era("a", 2), None);
        assert_eq!(
            &fold.memory.forgiven,
            &BTreeMap::from([("*".to_owned(), at(50))]),
            "{stopped}"
        );
        look(&mut fold, 70, &era("a", 2), None);
        assert_eq!(fold.memory.forgiven["*"], at(50), "only once: {stopped}");
    }
}

#[test]
fn a_driver_that_is_away_for_a_pass_was_loaded_again_when_it_is_back() {
    let away = Era {
        driver: None,
        ..era("a", 1)
    };
    let mut fold = after(&era("a", 1), None);
    look(&mut fold, 10, &away, None);
    assert_eq!(&fold.memory.forgiven, &BTreeMap::new());
    look(&mut fold, 20, &era("a", 2), None);
    assert_eq!(fold.memory.forgiven["*"], at(10));
}

#[test]
fn a_gpu_whose_driver_asks_for_a_reset_no_more_was_reset_and_no_other() {
    for (before, is_reset) in [
        (0, false),
        (1, true),
        (2, true),
        (3, false),
        (4, true),
        (5, false),
        (6, true),
        (7, true),
    ] {
        for stopped in [false, true] {
            let mut fold = after(&era("a", 1), Some(before));
            if stopped {
                fold = started_again(&fold);
            }
            let reset = look(&mut fold, 10, &era("a", 1), Some(0));
            let names = BTreeSet::from([UUID.to_owned(), "0000:18:00.0".to_owned()]);
            assert_eq!(
                reset,
                if is_reset { names.clone() } else { BTreeSet::new() },
                "{before}"
            );
            let forgiven: BTreeMap<_, _> = names
                .into_iter()
                .filter(|_| is_reset)
                .map(|name| (name, at(0)))
                .collect();
            assert_eq!(&fold.memory.forgiven, &forgiven, "{before}, {stopped}");
        }
    }
}

#[test]
fn a_driver_that_names_no_recovery_action_never_says_that_a_gpu_was_reset() {
    let mut fold = after(&era("a", 1), None);
    assert_eq!(look(&mut fold, 10, &era("a", 1), None), BTreeSet::new());
    assert_eq!(look(&mut fold, 20, &era("a", 1), Some(0)), BTreeSet::new());
    assert_eq!(&fold.memory.forgiven, &BTreeMap::new());
}

#[test]
fn a_boot_begins_anew() {
    let mut fold = after(&era("a", 1), Some(1));
    look(&mut fold, 10, &era("a", 2), Some(0));
    assert_eq!(fold.memory.forgiven.len(), 3);
    let mut fold = started_again(&fold);
    let reset = look(&mut fold, 1000, &era("b", 3), Some(0));
    assert_eq!((reset, &fold.memory.forgiven), (BTreeSet::new(), &BTreeMap::new()));
}

#[test]
fn a_clock_that_was_set_back_hides_no_xid_that_is_yet_to_come() {
    let mut fold = after(&era("a", 1), None);
    look(&mut fold, 1000, &era("a", 1), None);
    look(&mut fold, 1010, &era("a", 2), None);
    assert_eq!(fold.memory.forgiven["*"], at(1000));
    look(&mut fold, 500, &era("a", 2), None);
    assert_eq!(fold.memory.forgiven["*"], at(500));
    // Loaded again and set back between two passes: which came first nobody knows.
    look(&mut fold, 400, &era("a", 3), None);
    assert_eq!(fold.memory.forgiven["*"], at(400));
    let mut fold = after(&era("a", 1), None);
    look(&mut fold, -10, &era("a", 2), None);
    assert_eq!(&fold.memory.forgiven, &BTreeMap::new());
}

#[test]
fn what_the_driver_takes_back_ends_an_xid_and_nothing_that_was_counted() {
    for (code, name, cleared) in [
        ("xid-fatal", UUID, 1),
        ("xid-fatal", "GPU-another", 0),
        ("ecc-uncorrected", UUID, 0),
    ] {
        let mut fold = fold();
        fold.observe(now(0), &verdict(vec![finding(code)]), &whole());
        let sight = Sight {
            withdrawn: BTreeSet::from([name.to_owned()]),
            ..whole()
        };
        let changes = fold.observe(now(10), &verdict(vec![]), &sight);
        assert_eq!(changes.len(), cleared, "{code} of {name}");
    }
}

#[test]
fn a_boot_ends_an_xid_that_nvml_told_where_nobody_reads_the_kernels_log() {
    let blind = Sight {
        senses: BTreeSet::from([Sense::Host, Sense::Nvml, Sense::Gpu]),
        ..whole()
    };
    let mut fold = fold();
    fold.observe(now(0), &verdict(vec![finding("xid-fatal")]), &blind);
    assert_eq!(fold.observe(now(10), &verdict(vec![]), &blind), []);
    let booted = Sight {
        era: era("b", 1),
        ..blind
    };
    let unread = Sight {
        read: BTreeSet::new(),
        ..booted.clone()
    };
    assert_eq!(
        fold.observe(now(20), &verdict(vec![]), &unread),
        [],
        "the GPU does not answer"
    );
    assert_eq!(fold.observe(now(30), &verdict(vec![]), &booted).len(), 1);
}

#[test]
fn memory_that_was_remapped_is_a_reset_also_of_a_driver_that_does_not_say_so() {
    let remapping = |pending| {
        let mut facts = pass(None);
        facts.nvml.gpus[0].row_remapping = Some(RowRemapping {
            correctable: 0,
            uncorrectable: 1,
            pending,
            failed: false,
        });
        facts
    };
    let mut fold = fold();
    let era = era("a", 1);
    fold.observe(now(0), &verdict(vec![]), &whole());
    assert!(fold.forgive(at(0), &remapping(false), &era, None).is_empty());
    assert!(fold.forgive(at(10), &remapping(true), &era, None).is_empty());
    assert!(fold.forgive(at(20), &remapping(true), &era, None).is_empty());
    assert!(fold.forgive(at(30), &remapping(false), &era, None).contains(UUID));
    assert!(fold.forgive(at(40), &remapping(false), &era, None).is_empty(), "once");
}

#[test]
fn records_of_the_kernels_log_are_past_by_their_order_whatever_became_of_the_clock() {
    let names = [Some(UUID), None];
    let mut fold = fold();
    fold.forgive(at(7200), &pass(Some(2)), &era("a", 1), Some(10));
    fold.observe(now(7200), &verdict(vec![]), &whole());
    // The clock was two hours ahead; it has been set, and the GPU reset.
    let reset = fold.forgive(at(100), &pass(Some(0)), &era("a", 1), Some(10));
    assert!(reset.contains(UUID));
    assert!(fold.is_past(at(7100), Some(10), names), "from before the reset");
    assert!(!fold.is_past(at(7100), Some(11), names), "from after it");
    assert!(!fold.is_past(at(7100), Some(10), [Some("GPU-another"), None]));
    let fold_again = started_again(&fold);
    assert!(fold_again.is_past(at(7100), Some(10), names), "also after a restart");
    fold.forgive(at(200), &pass(Some(0)), &era("b", 1), None);
    assert!(
        !fold.is_past(at(7100), Some(10), names),
        "another boot has other records"
    );
}

#[test]
fn the_first_pass_after_a_finding_is_worth_a_write_and_the_second_is_not() {
    let mut fold = fold();
    let era = era("a", 1);
    fold.forgive(at(0), &pass(None), &era, None);
    fold.observe(now(5), &verdict(vec![finding("xid-fatal")]), &whole());
    let written = fold.memory().clone();
    assert!(!fold.memory().differs(&written));
    fold.forgive(at(10), &pass(None), &era, None);
    assert!(fold.memory().differs(&written));
    let written = fold.memory().clone();
    fold.forgive(at(20), &pass(None), &era, None);
    assert!(!fold.memory().differs(&written));
}
