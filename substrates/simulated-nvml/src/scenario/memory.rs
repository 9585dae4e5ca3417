//! What happens to a GPU's memory: ECC, remapped rows, retired pages. Part of the schema; read by `board`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Series;

/// ECC. Counters are of all memory together; those that are absent are 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ecc {
    /// Whether it is on. Off, the counters answer `NOT_SUPPORTED`, as nvml.h says of `nvmlDeviceGetTotalEccErrors`.
    pub enabled: bool,
    /// Whether it will be on after the next reset; without it, as now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<bool>,
    /// Corrected errors since the driver was loaded.
    #[serde(default = "none")]
    pub corrected_volatile: Series<u64>,
    /// Uncorrected errors since the driver was loaded.
    #[serde(default = "none")]
    pub uncorrected_volatile: Series<u64>,
    /// Corrected errors of the card's life.
    #[serde(default = "none")]
    pub corrected_aggregate: Series<u64>,
    /// Uncorrected errors of the card's life.
    #[serde(default = "none")]
    pub uncorrected_aggregate: Series<u64>,
    /// Of which in these places. A place that is not named answers `NOT_SUPPORTED`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<MemoryPlace, EccCounts>,
}

fn none() -> Series<u64> {
    Series::Constant(0)
}

impl Ecc {
    /// On or off, and no error yet.
    pub fn clean(enabled: bool) -> Self {
        Self {
            enabled,
            pending: None,
            corrected_volatile: none(),
            uncorrected_volatile: none(),
            corrected_aggregate: none(),
            uncorrected_aggregate: none(),
            places: BTreeMap::new(),
        }
    }
}

/// `nvmlMemoryLocation_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryPlace {
    /// 0.
    L1Cache,
    /// 1.
    L2Cache,
    /// 2, `DEVICE_MEMORY` of older GPUs.
    Dram,
    /// 3.
    RegisterFile,
    /// 4.
    TextureMemory,
    /// 5.
    TextureShm,
    /// 6.
    Cbu,
    /// 7.
    Sram,
}

/// ECC errors in one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EccCounts {
    /// Corrected errors since the driver was loaded.
    pub corrected_volatile: u64,
    /// Uncorrected errors since the driver was loaded.
    pub uncorrected_volatile: u64,
    /// Corrected errors of the card's life.
    pub corrected_aggregate: u64,
    /// Uncorrected errors of the card's life.
    pub uncorrected_aggregate: u64,
}

/// `nvmlEccSramErrorStatus_v1_t`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SramEcc {
    /// Whether the errors are past the threshold.
    pub threshold_exceeded: bool,
    /// Corrected since the driver was loaded.
    pub corrected_volatile: u64,
    /// Found by parity since the driver was loaded, uncorrected.
    pub parity_volatile: u64,
    /// Found by SEC-DED since the driver was loaded, uncorrected.
    pub sec_ded_volatile: u64,
    /// Corrected over the card's life.
    pub corrected_aggregate: u64,
    /// Found by parity over the card's life, uncorrected.
    pub parity_aggregate: u64,
    /// Found by SEC-DED over the card's life, uncorrected.
    pub sec_ded_aggregate: u64,
    /// Uncorrected over the card's life, by unit.
    pub units: SramUnits,
}

/// Uncorrected errors of on-chip memory over the card's life, by unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SramUnits {
    /// L2 cache.
    pub l2: u64,
    /// Streaming multiprocessors.
    pub sm: u64,
    /// PCIe.
    pub pcie: u64,
    /// Microcontrollers.
    pub microcontroller: u64,
    /// The rest.
    pub other: u64,
}

/// Remapped rows of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowRemapping {
    /// Because of correctable errors.
    pub correctable: u32,
    /// Because of uncorrectable errors.
    pub uncorrectable: u32,
    /// Waits for a reset.
    pub pending: bool,
    /// A remapping failed.
    pub failed: bool,
    /// How many banks have how many spare rows left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare_rows: Option<SpareRows>,
}

/// Banks of memory by the spare rows they have left (`nvmlRowRemapperHistogramValues_t`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpareRows {
    /// All of them.
    pub max: u32,
    /// Many.
    pub high: u32,
    /// Some.
    pub partial: u32,
    /// Few.
    pub low: u32,
    /// None.
    pub none: u32,
}

/// Retired pages of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetiredPages {
    /// Because of several single-bit errors.
    pub single_bit: Vec<RetiredPage>,
    /// Because of a double-bit error.
    pub double_bit: Vec<RetiredPage>,
    /// Whether one waits for a reboot.
    pub pending: bool,
}

/// A retired page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiredPage {
    /// Its address, as XID 63 names it.
    pub address: u64,
    /// When, in seconds since 1970.
    pub at: u64,
}
