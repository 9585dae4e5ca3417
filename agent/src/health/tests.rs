//! What findings over time become. Each subject has a file; here is what they share.

mod holding;
mod overrides;
mod past;
mod properties;
mod table;
mod time;

use super::reasons::{CONDITIONS, Clear, REASONS, reason};
use super::*;
use bedplate_protocol::{Finding, GpuVerdict, Health, RecommendedAction, Severity, Verdict};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

const UUID: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001";

const TEN: SignedDuration = SignedDuration::from_secs(10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + seconds)
}

/// Both clocks agree, as they do while nobody sets one.
fn now(seconds: i64) -> Moment {
    Moment {
        at: at(seconds),
        steady: Duration::from_secs(seconds.unsigned_abs()),
    }
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
        serial: Some("1650123".into()),
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
        senses: BTreeSet::from([Sense::Host, Sense::WholeHost, Sense::Nvml, Sense::Gpu, Sense::KernelLog]),
        read: names(),
        there: names(),
        reset: BTreeSet::new(),
        withdrawn: BTreeSet::new(),
        early: false,
        counted: false,
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
