//! Checks that judge a while: what earlier passes have seen.

use super::*;
use bedplate_protocol::facts::{BlockedProcess, NvLinkFacts};
use jiff::{SignedDuration, Timestamp};

/// Passes ten seconds apart over one healthy GPU, each changed with its number; the verdict on the last.
fn passes(count: i64, change: impl Fn(i64, &mut NodeFacts)) -> (Health, Vec<String>) {
    let mut history = History::default();
    let mut verdict = None;
    for number in 0..count {
        let mut facts = healthy(1);
        facts.time.now = Timestamp::from_second(1_800_000_000 + number * 10).unwrap();
        change(number, &mut facts);
        verdict = Some(judge(&Observation {
            facts: &facts,
            expect: None,
            history: &history,
        }));
        history.record(&facts);
    }
    let verdict = verdict.unwrap();
    (
        verdict.health,
        verdict.findings.into_iter().map(|finding| finding.code).collect(),
    )
}

fn found(health: Health, codes: &[&str]) -> (Health, Vec<String>) {
    (health, codes.iter().map(ToString::to_string).collect())
}

#[test]
fn clocks_that_the_hardware_slows_are_a_warning_now_and_an_error_when_it_lasts() {
    let always = |bits| move |_, facts: &mut NodeFacts| facts.nvml.gpus[0].clock_event_reasons = Some(bits);
    assert_eq!(passes(1, always(0x48)), found(Health::Healthy, &["clock-slowed-now"]));
    assert_eq!(
        passes(29, always(0x48)),
        found(Health::Healthy, &["clock-slowed-now"]),
        "not five minutes yet"
    );
    assert_eq!(passes(31, always(0x48)), found(Health::Problem, &["clock-hw-thermal"]));
    assert_eq!(passes(31, always(0x88)), found(Health::Problem, &["clock-power-brake"]));
    assert_eq!(passes(31, always(0x8)), found(Health::Problem, &["clock-hw-slowdown"]));
    assert_eq!(
        passes(31, always(0x1 | 0x2 | 0x4)),
        found(Health::Healthy, &[]),
        "software's limits are ordinary"
    );
    let now_and_then = |number, facts: &mut NodeFacts| {
        facts.nvml.gpus[0].clock_event_reasons = Some(if number % 3 == 0 { 0x40 } else { 0 });
    };
    assert_eq!(passes(60, now_and_then), found(Health::Healthy, &[]));
}

#[test]
fn replays_count_by_their_rate() {
    let each_pass = |more: u64| {
        move |number: i64, facts: &mut NodeFacts| {
            facts.nvml.gpus[0].pcie_replays = Some(1000 + more * number.unsigned_abs());
        }
    };
    assert_eq!(
        passes(1, each_pass(9)),
        found(Health::Healthy, &[]),
        "a count says nothing without time"
    );
    assert_eq!(passes(20, each_pass(1)), found(Health::Healthy, &[]), "6 a minute");
    assert_eq!(
        passes(20, each_pass(2)),
        found(Health::Healthy, &["pcie-replays"]),
        "12 a minute"
    );
}

#[test]
fn corrected_errors_that_rise_are_worth_knowing_and_no_fault() {
    let rising = |number: i64, facts: &mut NodeFacts| {
        facts.nvml.gpus[0].ecc_corrected_volatile = Some(number.unsigned_abs());
    };
    assert_eq!(passes(3, rising), found(Health::Healthy, &["ecc-corrected-rising"]));
    let still = |_, facts: &mut NodeFacts| facts.nvml.gpus[0].ecc_corrected_volatile = Some(7);
    assert_eq!(passes(3, still), found(Health::Healthy, &[]));
}

#[test]
fn errors_of_a_link_count_when_they_rise() {
    let link = |crc: u64, replays: u64| {
        move |number: i64, facts: &mut NodeFacts| {
            facts.nvml.gpus[0].nvlinks = vec![NvLinkFacts {
                link: 3,
                active: Some(true),
                crc_errors: Some(crc * number.unsigned_abs()),
                replays: Some(replays * number.unsigned_abs()),
                recoveries: Some(5),
            }];
        }
    };
    assert_eq!(passes(3, link(0, 0)), found(Health::Healthy, &[]));
    assert_eq!(passes(3, link(0, 1)), found(Health::Healthy, &["nvlink-errors"]));
    assert_eq!(passes(3, link(999, 0)), found(Health::Healthy, &[]), "99.9 a second");
    assert_eq!(passes(3, link(1000, 0)), found(Health::Healthy, &["nvlink-errors"]));
}

#[test]
fn a_process_is_stuck_when_it_is_the_same_one_for_two_minutes() {
    let blocked = |start_ticks| BlockedProcess {
        pid: 4711,
        start_ticks,
        command: "nvidia-smi".into(),
        waits_in: Some("os_acquire_mutex".into()),
        in_driver: Some(true),
    };
    let same = |_, facts: &mut NodeFacts| facts.blocked_processes = vec![blocked(1)];
    assert_eq!(passes(1, same), found(Health::Healthy, &["process-blocked-now"]));
    assert_eq!(
        passes(12, same),
        found(Health::Healthy, &["process-blocked-now"]),
        "110 s"
    );
    assert_eq!(passes(13, same), found(Health::Problem, &["process-blocked"]));
    let another = |number: i64, facts: &mut NodeFacts| {
        facts.blocked_processes = vec![blocked(number.unsigned_abs())];
    };
    assert_eq!(
        passes(13, another),
        found(Health::Healthy, &["process-blocked-now"]),
        "the id was used again"
    );
    let once_away = |number, facts: &mut NodeFacts| {
        facts.blocked_processes = if number == 6 { vec![] } else { vec![blocked(1)] };
    };
    assert_eq!(passes(13, once_away), found(Health::Healthy, &["process-blocked-now"]));
    let elsewhere = |_, facts: &mut NodeFacts| {
        let loader = BlockedProcess {
            command: "python3".into(),
            waits_in: Some("folio_wait_bit_common".into()),
            in_driver: None,
            ..blocked(1)
        };
        facts.blocked_processes = vec![loader];
    };
    assert_eq!(passes(13, elsewhere), found(Health::Healthy, &["process-blocked-now"]));
    let unseen = |_, facts: &mut NodeFacts| {
        let python = BlockedProcess {
            command: "python3".into(),
            waits_in: Some("rwsem_down_write_slowpath".into()),
            in_driver: None,
            ..blocked(1)
        };
        facts.blocked_processes = vec![python];
    };
    assert_eq!(passes(12, unseen), found(Health::Healthy, &["process-blocked-now"]));
    assert_eq!(passes(13, unseen), found(Health::Unknown, &["process-blocked-unseen"]));
}

#[test]
fn a_library_that_was_replaced_since_the_start_is_named() {
    let upgraded = |number, facts: &mut NodeFacts| {
        if number > 0 {
            facts.nvidia.library_version = Some("580.105.08".into());
            facts.nvidia.module_version = Some("580.105.08".into());
        }
    };
    assert_eq!(passes(1, upgraded), found(Health::Healthy, &[]));
    assert_eq!(passes(2, upgraded), found(Health::Healthy, &["nvidia-library-changed"]));
}

#[test]
fn passes_that_are_far_apart_are_enough_for_what_asks_for_several() {
    let mut history = History::default();
    let mut facts = healthy(1);
    for hour in 0..20 {
        facts.time.now = Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap();
        history.record(&facts);
    }
    assert_eq!(history.samples.len(), 6);
}

#[test]
fn samples_are_bounded_and_a_clock_set_back_forgets_them() {
    let mut history = History::default();
    let mut facts = healthy(1);
    for second in 0..2000 {
        facts.time.now = Timestamp::from_second(1_800_000_000 + second).unwrap();
        history.record(&facts);
    }
    assert_eq!(history.samples.len(), 600);
    let reach = facts.time.now.duration_since(history.samples[0].at);
    assert!(reach <= SignedDuration::from_mins(10), "{reach}");
    facts.time.now = Timestamp::from_second(1_700_000_000).unwrap();
    history.record(&facts);
    assert_eq!(history.samples.len(), 1);
}
