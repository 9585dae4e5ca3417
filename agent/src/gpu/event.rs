//! What NVML tells by itself, between passes: the type that [`super::Worker::events`] gives. Made by [`super::watch`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One event of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// When the worker got it, by the host's clock.
    pub(crate) at: Timestamp,
    /// `0000:17:00.0`, where it is known.
    pub(crate) pci_address: Option<String>,
    /// `GPU-…`, where it is known.
    pub(crate) uuid: Option<String>,
    /// What happened.
    pub(crate) kind: EventKind,
    /// The GPU instance that it is about, with MIG; the event of a whole GPU has none.
    pub(crate) gpu_instance: Option<u32>,
    /// The compute instance, with MIG.
    pub(crate) compute_instance: Option<u32>,
}

/// `nvmlEventType` of nvml.h (go-nvml v0.13.4-0, read 2026-11-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EventKind {
    /// An XID; none where NVML itself does not know which (it says 999).
    Xid(Option<u32>),
    /// An uncorrectable ECC error.
    DoubleBitEccError,
    /// MIG devices were made or destroyed.
    MigConfigChange,
    /// Many corrected ECC errors in a short time.
    SingleBitEccErrorStorm,
    /// Memory was retired.
    DramRetirement,
    /// Memory should have been retired and was not.
    DramRetirementFailure,
    /// Poisoned data was met, without harm.
    NonFatalPoisonError,
    /// Poisoned data was consumed.
    FatalPoisonError,
    /// The GPU cannot be used.
    GpuUnavailable,
    /// The recovery action changed.
    GpuRecoveryAction,
    /// A bit without a name here.
    Other(u64),
}

/// What NVML says where it does not know the XID.
const UNKNOWN_XID: u64 = 999;

impl EventKind {
    /// Every kind that is asked for, beside single corrected errors and changes of clocks and power, which are no news.
    pub(super) const WANTED: u64 = 0x8 | 0x2 | 0x100 | 0x200 | 0x400 | 0x800 | 0x1000 | 0x2000 | 0x4000 | 0x8000;

    /// Of NVML's bit and data.
    pub(super) fn of(bit: u64, data: u64) -> Self {
        match bit {
            0x8 => Self::Xid(u32::try_from(data).ok().filter(|_| data != UNKNOWN_XID)),
            0x2 => Self::DoubleBitEccError,
            0x100 => Self::MigConfigChange,
            0x200 => Self::SingleBitEccErrorStorm,
            0x400 => Self::DramRetirement,
            0x800 => Self::DramRetirementFailure,
            0x1000 => Self::NonFatalPoisonError,
            0x2000 => Self::FatalPoisonError,
            0x4000 => Self::GpuUnavailable,
            0x8000 => Self::GpuRecoveryAction,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wanted_bit_has_a_name_and_an_unknown_xid_no_number() {
        for shift in 0..64 {
            let bit = 1_u64 << shift;
            let named = !matches!(EventKind::of(bit, 0), EventKind::Other(_));
            assert_eq!(named, EventKind::WANTED & bit != 0, "{bit:#x}");
        }
        assert_eq!(EventKind::of(8, 79), EventKind::Xid(Some(79)));
        assert_eq!(EventKind::of(8, 999), EventKind::Xid(None));
        assert_eq!(EventKind::of(8, u64::MAX), EventKind::Xid(None));
    }
}
