//! Memory: size, ECC, remapped rows, retired pages.

use super::Board;
use crate::scenario::{Ecc, EccCounts, RetiredPages, RowRemapping, SramEcc};

/// ECC's counters of all memory, as they are now.
#[derive(Clone, Copy)]
pub(crate) struct EccTotals {
    pub(crate) enabled: bool,
    pub(crate) pending: bool,
    pub(crate) counts: EccCounts,
}

impl Board<'_> {
    pub(crate) fn memory_total_bytes(&self) -> u64 {
        self.profile.memory_mib << 20
    }

    /// Never more than there is.
    pub(crate) fn memory_used_bytes(&self) -> u64 {
        let used = self.gpu.memory_used_mib.unwrap_or_else(|| {
            self.gpu
                .processes
                .iter()
                .fold(0, |sum, process| sum.saturating_add(process.memory_mib))
        });
        used.saturating_mul(1 << 20).min(self.memory_total_bytes())
    }

    fn ecc_values(&self) -> Option<Ecc> {
        self.gpu.ecc.clone().or(self.profile.ecc_enabled.map(Ecc::clean))
    }

    pub(crate) fn ecc(&self) -> Option<EccTotals> {
        let ecc = self.ecc_values()?;
        Some(EccTotals {
            enabled: ecc.enabled,
            pending: ecc.pending.unwrap_or(ecc.enabled),
            counts: EccCounts {
                corrected_volatile: self.now(&ecc.corrected_volatile),
                uncorrected_volatile: self.now(&ecc.uncorrected_volatile),
                corrected_aggregate: self.now(&ecc.corrected_aggregate),
                uncorrected_aggregate: self.now(&ecc.uncorrected_aggregate),
            },
        })
    }

    /// The counters, where ECC is on.
    pub(crate) fn ecc_counts(&self) -> Option<EccCounts> {
        self.ecc().filter(|ecc| ecc.enabled).map(|ecc| ecc.counts)
    }

    /// The counters of one place (`nvmlMemoryLocation_t`), where ECC is on and the scenario names the place.
    pub(crate) fn ecc_at(&self, location: u32) -> Option<EccCounts> {
        let ecc = self.ecc_values().filter(|ecc| ecc.enabled)?;
        ecc.places
            .iter()
            .find(|(place, _)| **place as u32 == location)
            .map(|(_, counts)| *counts)
    }

    pub(crate) fn sram_ecc(&self) -> Option<SramEcc> {
        self.gpu
            .sram_ecc
            .or(self.profile.sram_ecc_status.then(SramEcc::default))
    }

    pub(crate) fn row_remapping(&self) -> Option<RowRemapping> {
        self.gpu
            .row_remapping
            .or((self.profile.row_remapping && self.gpu.retired_pages.is_none()).then(RowRemapping::default))
    }

    pub(crate) fn retired_pages(&self) -> Option<&RetiredPages> {
        self.gpu.retired_pages.as_ref()
    }
}
