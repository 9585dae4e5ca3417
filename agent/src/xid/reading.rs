//! What one event means for one GPU. Pure. Called by the check of XIDs.
//!
//! The driver's own word goes first: a recovery action (XID 154, NVML's field 230) overrides the catalogue, which then only
//! says why. An XID that the catalogue does not cover is a warning, never harmless and never fatal.

use super::catalogue::{self, Product, Row, Severity};
use super::event::{Xid, XidEvent};
use super::nvlink5::{self, Rule};
use super::recovery::Recovery;
use bedplate_protocol::RecommendedAction;

/// What is known of the GPU.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gpu<'a> {
    /// NVML's architecture, `hopper`; a GPU that fell off the bus has none.
    pub(crate) architecture: Option<&'a str>,
    /// NVML's product name.
    pub(crate) name: Option<&'a str>,
    /// The driver's version, `580.95.05`.
    pub(crate) driver: Option<&'a str>,
}

/// By what a reading was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// A row of the catalogue.
    Row(&'static Row),
    /// A row of the decode of `NVLink` 5.
    Rule(&'static Rule),
    /// The driver's own word that the error is fatal, where NVIDIA's decode has no row.
    DriversWord,
    /// Nothing: NVIDIA lists the number for no GPU from Ampere on.
    Unused,
    /// Nothing: the catalogue has no row for this number and this GPU.
    NotCovered,
}

/// What an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How bad.
    pub(crate) severity: Severity,
    /// What to do.
    pub(crate) action: Option<RecommendedAction>,
    /// By what.
    pub(crate) basis: Basis,
    /// The recovery action that overrode the catalogue.
    pub(crate) overridden: Option<Recovery>,
}

impl Reading {
    /// What it is, for people.
    pub(crate) fn meaning(&self) -> &'static str {
        match self.basis {
            Basis::Row(row) => row.meaning,
            Basis::Rule(rule) => catalogue::row(rule.xid).map_or("NVLink 5 error", |row| row.meaning),
            Basis::DriversWord => "NVLink 5 error that the driver calls fatal",
            Basis::Unused => "NVIDIA's catalogue calls this XID unused on Ampere and newer GPUs",
            Basis::NotCovered => "NVIDIA's catalogue, as far as this build has it, does not cover this XID on this GPU",
        }
    }
}

/// The last recovery action that XID 154 named for a GPU, and when.
pub(crate) fn said<'a>(events: &'a [XidEvent], gpu: &str) -> Option<(Recovery, &'a XidEvent)> {
    events
        .iter()
        .filter(|event| event.uuid.as_deref() == Some(gpu) || event.pci_address.as_deref() == Some(gpu))
        .filter_map(|event| event.recovery.map(|recovery| (recovery, event)))
        .max_by_key(|(_, event)| (event.at, event.sequence))
}

/// What `event` means on `gpu`, of which the driver has said that this recovery is needed since (absent: nothing said).
pub(crate) fn reading(event: &XidEvent, gpu: Gpu<'_>, said: Option<Recovery>) -> Reading {
    let plain = by_catalogue(event, gpu);
    // What was said since goes before the event's own words.
    match said.or(event.recovery) {
        None => plain,
        Some(Recovery::None) => {
            let row = match plain.basis {
                Basis::Row(row) => Some(row),
                Basis::Rule(rule) => catalogue::row(rule.xid),
                _ => None,
            };
            // "Nothing to do" is believed only of errors for which this driver would have named something.
            let speaks = row
                .and_then(|row| row.recovery_since)
                .is_some_and(|since| branch(gpu.driver).is_some_and(|branch| branch >= since));
            let itself = event.xid == Xid::Number(154);
            if speaks || itself {
                Reading {
                    severity: Severity::Info,
                    action: None,
                    overridden: Some(Recovery::None),
                    ..plain
                }
            } else {
                plain
            }
        }
        Some(recovery) => Reading {
            // What an application did wrong stays its own; the driver's demand is XID 154's.
            severity: if event.xid == Xid::Number(154) {
                Severity::Fatal
            } else {
                plain.severity
            },
            action: recovery.action(),
            overridden: Some(recovery),
            ..plain
        },
    }
}

fn by_catalogue(event: &XidEvent, gpu: Gpu<'_>) -> Reading {
    let number = event.xid.number();
    let of = |severity, bucket, basis| Reading {
        severity,
        action: catalogue::action(bucket, severity),
        basis,
        overridden: None,
    };
    let Some(row) = catalogue::row(number).filter(|row| covers(row, gpu)) else {
        let unused = catalogue::unused().contains(&number);
        return of(
            Severity::Warn,
            None,
            if unused { Basis::Unused } else { Basis::NotCovered },
        );
    };
    if let Some(words) = &event.nvlink5 {
        return match nvlink5::decode(number, words) {
            Some(rule) => of(rule.severity(words), Some(rule.immediate(words)), Basis::Rule(rule)),
            // "Link fatal" means drained and reset (the catalogue's sheet of columns, "Severity").
            None if words.fatal => of(Severity::Fatal, Some(catalogue::Bucket::ResetGpu), Basis::DriversWord),
            None => of(row.severity, row.immediate, Basis::Row(row)),
        };
    }
    of(row.severity, row.immediate, Basis::Row(row))
}

/// Whether a row is of this GPU. One whose architecture nobody could read any more is not excluded: it would read as a mere
/// warning that a GPU is gone.
fn covers(row: &Row, gpu: Gpu<'_>) -> bool {
    let has = |product| row.applies.contains(&product);
    match gpu.architecture {
        None => true,
        Some("ampere") => has(Product::A100),
        // The catalogue is for "Ampere and newer" and has no column for Ada, which lies between these two.
        Some("ada") => has(Product::A100) && has(Product::H100),
        Some("hopper") => has(Product::H100),
        Some("blackwell")
            if gpu
                .name
                .is_some_and(|name| name.contains("GB200") || name.contains("GB300")) =>
        {
            has(Product::Gb200)
        }
        Some("blackwell") => has(Product::B100),
        Some(_) => false,
    }
}

/// `580` of `580.95.05`.
fn branch(driver: Option<&str>) -> Option<u32> {
    driver?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
