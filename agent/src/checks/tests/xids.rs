//! What the driver reported, judged.

use super::*;
use crate::xid::{Recovery, Source, Xid, XidEvent};
use bedplate_protocol::RecommendedAction;
use jiff::Timestamp;

fn event(second: i64, number: u32) -> XidEvent {
    XidEvent {
        at: Timestamp::from_second(1_800_000_000 + second).unwrap(),
        source: Source::KernelLog,
        sequence: Some(second.unsigned_abs()),
        pci_address: Some("0000:10:00.0".into()),
        uuid: None,
        xid: Xid::Number(number),
        line: format!("NVRM: Xid (PCI:0000:10:00): {number}, words"),
        recovery: None,
        nvlink5: None,
    }
}

/// Two healthy H100s, of which the first had these events; its recovery action as the driver gives it.
fn judged(events: Vec<XidEvent>, recovery_action: Option<u32>) -> Verdict {
    let mut facts = healthy(2);
    for gpu in &mut facts.nvml.gpus {
        gpu.architecture = Some("hopper".into());
        gpu.recovery_action = recovery_action;
    }
    let history = History {
        xids: events,
        ..History::default()
    };
    judge(&Observation {
        facts: &facts,
        expect: None,
        history: &history,
    })
}

fn codes_of(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn a_fatal_xid_makes_its_own_gpu_sick_and_no_other() {
    let verdict = judged(vec![event(0, 119)], None);
    assert_eq!(codes_of(&verdict), ["xid-fatal"]);
    assert_eq!(verdict.findings[0].xid, Some(119));
    let health: Vec<Health> = verdict.gpus.iter().map(|gpu| gpu.health).collect();
    assert_eq!(health, [Health::Problem, Health::Healthy]);
    assert_eq!(verdict.gpus[0].action, Some(RecommendedAction::ResetGpu));
    assert!(
        verdict.findings[0].evidence[0].contains("NVRM: Xid"),
        "{:?}",
        verdict.findings[0]
    );
}

#[test]
fn what_an_application_did_leaves_the_gpu_healthy_and_an_unknown_xid_warns() {
    let verdict = judged(vec![event(0, 31)], None);
    assert_eq!(
        (verdict.health, codes_of(&verdict)),
        (Health::Healthy, vec!["xid-application"])
    );
    let verdict = judged(vec![event(0, 999_999)], None);
    assert_eq!(
        (verdict.health, codes_of(&verdict)),
        (Health::Healthy, vec!["xid-not-covered"])
    );
}

#[test]
fn the_drivers_word_that_nothing_is_to_be_done_clears_what_it_would_have_spoken_of() {
    // Rows that go with XID 154 on this driver; NVML says "none" now.
    assert_eq!(codes_of(&judged(vec![event(0, 48)], Some(0))), Vec::<&str>::new());
    // The same word in the log, after the event; before it, it says nothing of it.
    let told = |second, recovery| XidEvent {
        recovery: Some(recovery),
        ..event(second, 154)
    };
    assert_eq!(
        codes_of(&judged(vec![event(0, 48), told(9, Recovery::None)], None)),
        Vec::<&str>::new()
    );
    assert_eq!(
        codes_of(&judged(vec![told(0, Recovery::None), event(9, 48)], None)),
        ["xid-fatal"]
    );
    let asked = judged(vec![event(0, 48), told(9, Recovery::NodeReboot)], None);
    assert_eq!(asked.action, Some(RecommendedAction::Reboot));
}

#[test]
fn an_xid_of_a_gpu_that_nvml_no_longer_lists_is_told_by_its_address() {
    let mut lost = event(0, 79);
    lost.pci_address = Some("0000:65:00.0".into());
    let verdict = judged(vec![lost], None);
    assert_eq!(codes_of(&verdict), ["xid-fatal"]);
    assert_eq!(verdict.findings[0].subject, "gpu-1/0000:65:00.0");
    assert_eq!(verdict.health, Health::Problem);
}

#[test]
fn records_that_were_lost_are_said() {
    let facts = healthy(1);
    let history = History {
        kernel_log_lost: 12,
        ..History::default()
    };
    let verdict = judge(&Observation {
        facts: &facts,
        expect: None,
        history: &history,
    });
    assert_eq!(codes_of(&verdict), ["kernel-log-lost"]);
    assert!(
        verdict.findings[0].message.starts_with("12 records"),
        "{}",
        verdict.findings[0]
    );
}

#[test]
fn a_log_that_cannot_be_read_is_said() {
    let facts = healthy(1);
    let history = History {
        kernel_log_unreadable: Some("/dev/kmsg: permission denied".into()),
        ..History::default()
    };
    let verdict = judge(&Observation {
        facts: &facts,
        expect: None,
        history: &history,
    });
    assert_eq!(
        (verdict.health, codes_of(&verdict)),
        (Health::Healthy, vec!["kernel-log-unreadable"])
    );
}
