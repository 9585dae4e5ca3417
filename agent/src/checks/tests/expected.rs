//! Expectations beyond number and model.

use super::*;

fn wanted(change: impl FnOnce(&mut Expectation)) -> Expectation {
    let mut expect = Expectation::default();
    change(&mut expect);
    expect
}

/// Two GPUs that have everything.
fn full() -> NodeFacts {
    let mut facts = healthy(2);
    for gpu in &mut facts.nvml.gpus {
        gpu.memory_total_bytes = Some(81_559 << 20);
        gpu.ecc_enabled = Some(true);
        gpu.persistence_mode = Some(true);
        gpu.mig_enabled = Some(false);
    }
    facts
}

#[test]
fn what_is_as_expected_is_healthy_and_each_difference_has_its_finding() {
    let facts = full();
    let right = wanted(|expect| {
        expect.driver = Some("580".into());
        expect.memory_gib = Some(79);
        expect.mig = Some(false);
        expect.persistence = Some(true);
        expect.ecc = Some(true);
        expect.link_width = Some(16);
    });
    assert_eq!(codes(&facts, Some(&right)), (Health::Healthy, vec![]));
    let rows: [(&str, usize, Expectation); 6] = [
        ("expected-driver", 1, wanted(|expect| expect.driver = Some("58".into()))),
        ("expected-memory", 2, wanted(|expect| expect.memory_gib = Some(80))),
        ("expected-mig", 2, wanted(|expect| expect.mig = Some(true))),
        (
            "expected-persistence",
            2,
            wanted(|expect| expect.persistence = Some(false)),
        ),
        ("expected-ecc", 2, wanted(|expect| expect.ecc = Some(false))),
        ("expected-link-width", 2, wanted(|expect| expect.link_width = Some(32))),
    ];
    for (code, times, expect) in rows {
        assert_eq!(
            codes(&facts, Some(&expect)),
            (Health::Problem, vec![code.to_owned(); times])
        );
    }
}

#[test]
fn an_expected_value_that_the_product_lacks_is_a_difference_but_a_sleeping_gpu_is_not_asked() {
    let mut facts = full();
    facts.nvml.gpus[0].ecc_enabled = None;
    facts.nvml.gpus[1].mig_enabled = None;
    let ecc = wanted(|expect| expect.ecc = Some(true));
    assert_eq!(
        codes(&facts, Some(&ecc)),
        (Health::Problem, vec!["expected-ecc".into()])
    );
    let no_mig = wanted(|expect| expect.mig = Some(false));
    assert_eq!(
        codes(&facts, Some(&no_mig)),
        (Health::Healthy, vec![]),
        "a product without MIG has it off"
    );
    facts.nvml.gpus[0].suspended = true;
    assert_eq!(codes(&facts, Some(&ecc)), (Health::Healthy, vec![]));
}

#[test]
fn persistence_is_told_once_where_it_is_expected() {
    let mut facts = full();
    facts.nvml.gpus[0].persistence_mode = Some(false);
    let on = wanted(|expect| expect.persistence = Some(true));
    assert_eq!(codes(&facts, Some(&on)).1, ["expected-persistence"]);
    assert_eq!(codes(&facts, None).1, ["persistence-off"]);
}
