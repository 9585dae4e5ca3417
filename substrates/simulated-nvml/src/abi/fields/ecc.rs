//! Fields of ECC. Called by `fields` only.

use nvml_wrapper_sys::bindings::field_id;

use super::Value;
use crate::board::Board;
use crate::scenario::{EccCounts, MemoryPlace};

/// The field's value; `None` where it is no field of ECC, or the GPU has none.
pub(super) fn value(field: u32, board: Board<'_>) -> Option<Value> {
    match field {
        field_id::NVML_FI_DEV_ECC_CURRENT => board.ecc().map(|ecc| Value::Word(ecc.enabled.into())),
        field_id::NVML_FI_DEV_ECC_PENDING => board.ecc().map(|ecc| Value::Word(ecc.pending.into())),
        field_id::NVML_FI_DEV_ECC_SBE_VOL_TOTAL..=field_id::NVML_FI_DEV_ECC_DBE_AGG_TOTAL => {
            let counts = board.ecc_counts()?;
            Some(Value::Long(match field {
                field_id::NVML_FI_DEV_ECC_SBE_VOL_TOTAL => counts.corrected_volatile,
                field_id::NVML_FI_DEV_ECC_DBE_VOL_TOTAL => counts.uncorrected_volatile,
                field_id::NVML_FI_DEV_ECC_SBE_AGG_TOTAL => counts.corrected_aggregate,
                _ => counts.uncorrected_aggregate,
            }))
        }
        _ => {
            let (place, counter) = place(field)?;
            board.ecc_at(place as u32).map(|counts| Value::Long(counter(counts)))
        }
    }
}

/// One of a place's four counters.
type Counter = fn(EccCounts) -> u64;

/// Where the counter of a field is, and which of the four it is.
fn place(field: u32) -> Option<(MemoryPlace, Counter)> {
    /// Single-bit and double-bit, one after the other in nvml.h; volatile, then aggregate.
    const PAIRS: [(u32, u32, MemoryPlace); 5] = [
        (
            field_id::NVML_FI_DEV_ECC_SBE_VOL_L1,
            field_id::NVML_FI_DEV_ECC_SBE_AGG_L1,
            MemoryPlace::L1Cache,
        ),
        (
            field_id::NVML_FI_DEV_ECC_SBE_VOL_L2,
            field_id::NVML_FI_DEV_ECC_SBE_AGG_L2,
            MemoryPlace::L2Cache,
        ),
        (
            field_id::NVML_FI_DEV_ECC_SBE_VOL_DEV,
            field_id::NVML_FI_DEV_ECC_SBE_AGG_DEV,
            MemoryPlace::Dram,
        ),
        (
            field_id::NVML_FI_DEV_ECC_SBE_VOL_REG,
            field_id::NVML_FI_DEV_ECC_SBE_AGG_REG,
            MemoryPlace::RegisterFile,
        ),
        (
            field_id::NVML_FI_DEV_ECC_SBE_VOL_TEX,
            field_id::NVML_FI_DEV_ECC_SBE_AGG_TEX,
            MemoryPlace::TextureMemory,
        ),
    ];
    match field {
        field_id::NVML_FI_DEV_ECC_DBE_VOL_CBU => return Some((MemoryPlace::Cbu, |counts| counts.uncorrected_volatile)),
        field_id::NVML_FI_DEV_ECC_DBE_AGG_CBU => {
            return Some((MemoryPlace::Cbu, |counts| counts.uncorrected_aggregate));
        }
        _ => {}
    }
    PAIRS.iter().find_map(|(volatile, aggregate, place)| {
        let counter: Counter = match field {
            _ if field == *volatile => |counts| counts.corrected_volatile,
            _ if field == *volatile + 1 => |counts| counts.uncorrected_volatile,
            _ if field == *aggregate => |counts| counts.corrected_aggregate,
            _ if field == *aggregate + 1 => |counts| counts.uncorrected_aggregate,
            _ => return None,
        };
        Some((*place, counter))
    })
}
