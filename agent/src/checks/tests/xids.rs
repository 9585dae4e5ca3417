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
    judged_when_asked(events, recovery_action, 1_000)
}

/// The same with NVML asked in this second of the time that [`event`] counts.
fn judged_when_asked(events: Vec<XidEvent>, recovery_action: Option<u32>, second: i64) -> Verdict {
    let mut facts = healthy(2);
    facts.time.nvml_asked = Some(event(second, 1).at);
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
fn what_nvml_said_before_the_event_takes_nothing_back() {
    let asked = |second, recovery| codes_of(&judged_when_asked(vec![event(10, 95)], Some(recovery), second)).concat();
    assert_eq!(asked(5, 0), "xid-fatal", "the last pass was before it");
    assert_eq!(
        asked(10, 0),
        "xid-fatal",
        "in the same second the driver may not have judged yet"
    );
    assert_eq!(asked(11, 0), "");
    assert_eq!(
        asked(11, 1),
        "recovery-gpu-resetrecovery-gpu-resetxid-fatal",
        "both GPUs have this word"
    );
}

#[test]
fn a_gpu_is_named_whose_driver_has_taken_an_xid_back() {
    let withdrawn = |number, recovery, second| {
        let mut facts = healthy(2);
        facts.nvml.gpus[0].architecture = Some("hopper".into());
        facts.nvml.gpus[0].recovery_action = recovery;
        facts.time.nvml_asked = Some(event(second, 1).at);
        let history = History {
            xids: vec![event(10, number)],
            ..History::default()
        };
        let seen = Observation {
            facts: &facts,
            expect: None,
            history: &history,
        };
        crate::checks::withdrawn(&seen).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(withdrawn(95, Some(0), 60), ["0000:10:00.0", "GPU-0"]);
    assert!(withdrawn(95, Some(0), 5).is_empty(), "that was said before it");
    assert!(withdrawn(95, Some(1), 60).is_empty());
    assert!(withdrawn(95, None, 60).is_empty());
    assert!(withdrawn(46, Some(0), 60).is_empty(), "the driver never speaks of it");
}

#[test]
fn of_what_the_driver_demands_the_newest_word_counts() {
    let told = |second, recovery| XidEvent {
        recovery: Some(recovery),
        ..event(second, 154)
    };
    let reset = || told(10, Recovery::GpuReset);
    let said = |events, recovery, second| codes_of(&judged_when_asked(events, recovery, second)).concat();
    assert_eq!(said(vec![reset()], None, 60), "xid-fatal");
    assert_eq!(said(vec![reset()], Some(0), 5), "xid-fatal", "asked before it");
    assert_eq!(said(vec![reset()], Some(0), 60), "", "NVML says none since");
    assert_eq!(said(vec![reset(), told(20, Recovery::None)], None, 5), "");
    assert_eq!(said(vec![told(10, Recovery::UnknownWords)], None, 60), "xid-fatal");
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
