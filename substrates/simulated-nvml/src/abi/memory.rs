//! Memory: how much, ECC, remapped rows, retired pages.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    self as nvml, nvmlDevice_t, nvmlEccErrorCounts_t, nvmlEccSramErrorStatus_v1_t, nvmlMemory_t, nvmlMemory_v2_t,
    nvmlRowRemapperHistogramValues_t,
};

use super::call::{Answer, INSUFFICIENT_SIZE, INVALID_ARGUMENT, NOT_SUPPORTED, Target, device, either, known};
use super::out::Out;
use crate::board::Board;
use crate::scenario::{EccCounts, RetiredPage};

/// Total and used, of a GPU or of a MIG device: processes of a scenario belong to the GPU, so a MIG device has none in use.
fn sizes(board: Board<'_>, target: Target) -> Result<(u64, u64), u32> {
    Ok(match super::mig::part(board, target)? {
        None => (board.memory_total_bytes(), board.memory_used_bytes()),
        Some(part) => (part.memory_mib << 20, 0),
    })
}

/// One of the four counters, by `nvmlMemoryErrorType_t` and `nvmlEccCounterType_t`.
fn counter(counts: EccCounts, kind: c_uint, life: c_uint) -> Result<u64, u32> {
    match (kind, life) {
        (
            nvml::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_CORRECTED,
            nvml::nvmlEccCounterType_enum_NVML_VOLATILE_ECC,
        ) => Ok(counts.corrected_volatile),
        (
            nvml::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml::nvmlEccCounterType_enum_NVML_VOLATILE_ECC,
        ) => Ok(counts.uncorrected_volatile),
        (
            nvml::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_CORRECTED,
            nvml::nvmlEccCounterType_enum_NVML_AGGREGATE_ECC,
        ) => Ok(counts.corrected_aggregate),
        (
            nvml::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml::nvmlEccCounterType_enum_NVML_AGGREGATE_ECC,
        ) => Ok(counts.uncorrected_aggregate),
        _ => Err(INVALID_ARGUMENT),
    }
}

/// Fills the caller's arrays, whose length is in `count`; where they are too short, says how long they must be.
fn pages(
    board: Board<'_>,
    cause: c_uint,
    count: &Out<c_uint>,
    addresses: &Out<c_ulonglong>,
    times: Option<&Out<c_ulonglong>>,
) -> Answer {
    let retired = board.retired_pages().ok_or(NOT_SUPPORTED)?;
    let list: &[RetiredPage] = match cause {
        nvml::nvmlPageRetirementCause_enum_NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS => {
            &retired.single_bit
        }
        nvml::nvmlPageRetirementCause_enum_NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR => &retired.double_bit,
        _ => return Err(INVALID_ARGUMENT),
    };
    let room = count.get()? as usize;
    count.put(c_uint::try_from(list.len()).unwrap_or(c_uint::MAX))?;
    if room == 0 && !list.is_empty() || list.len() > room {
        return Err(INSUFFICIENT_SIZE);
    }
    for (position, page) in list.iter().enumerate() {
        addresses.put_at(position, page.address)?;
        if let Some(times) = times {
            times.put_at(position, page.at)?;
        }
    }
    Ok(())
}

export! {
    fn nvmlDeviceGetMemoryInfo(gpu: nvmlDevice_t, memory: Out<nvmlMemory_t>) {
        either("nvmlDeviceGetMemoryInfo", gpu, &|_, target, board| {
            let (total, used) = sizes(board, target)?;
            memory.put(nvmlMemory_t { total, free: total - used, used })
        })
    }
    fn nvmlDeviceGetMemoryInfo_v2(gpu: nvmlDevice_t, memory: Out<nvmlMemory_v2_t>) {
        either("nvmlDeviceGetMemoryInfo_v2", gpu, &|_, target, board| {
            let version = memory.expect_version(2)?;
            let (total, used) = sizes(board, target)?;
            memory.put(nvmlMemory_v2_t { version, total, reserved: 0, free: total - used, used })
        })
    }
    fn nvmlDeviceGetEccMode(gpu: nvmlDevice_t, current: Out<c_uint>, pending: Out<c_uint>) {
        device("nvmlDeviceGetEccMode", gpu, &|_, _, board| {
            let ecc = board.ecc().ok_or(NOT_SUPPORTED)?;
            current.put(ecc.enabled.into())?;
            pending.put(ecc.pending.into())
        })
    }
    // "Requires ECC Mode to be enabled" (nvml.h), as the next two.
    fn nvmlDeviceGetTotalEccErrors(gpu: nvmlDevice_t, kind: c_uint, life: c_uint, number: Out<c_ulonglong>) {
        device("nvmlDeviceGetTotalEccErrors", gpu, &|_, _, board| number.put(counter(board.ecc_counts().ok_or(NOT_SUPPORTED)?, kind, life)?))
    }
    fn nvmlDeviceGetMemoryErrorCounter(gpu: nvmlDevice_t, kind: c_uint, life: c_uint, location: c_uint, number: Out<c_ulonglong>) {
        device("nvmlDeviceGetMemoryErrorCounter", gpu, &|_, _, board| {
            if location >= nvml::nvmlMemoryLocation_enum_NVML_MEMORY_LOCATION_COUNT {
                return Err(INVALID_ARGUMENT);
            }
            number.put(counter(board.ecc_at(location).ok_or(NOT_SUPPORTED)?, kind, life)?)
        })
    }
    fn nvmlDeviceGetDetailedEccErrors(gpu: nvmlDevice_t, kind: c_uint, life: c_uint, counts: Out<nvmlEccErrorCounts_t>) {
        device("nvmlDeviceGetDetailedEccErrors", gpu, &|_, _, board| {
            board.ecc_counts().ok_or(NOT_SUPPORTED)?;
            let at = |location| counter(board.ecc_at(location).unwrap_or_default(), kind, life);
            counts.put(nvmlEccErrorCounts_t {
                l1Cache: at(nvml::nvmlMemoryLocation_enum_NVML_MEMORY_LOCATION_L1_CACHE)?,
                l2Cache: at(nvml::nvmlMemoryLocation_enum_NVML_MEMORY_LOCATION_L2_CACHE)?,
                deviceMemory: at(nvml::nvmlMemoryLocation_enum_NVML_MEMORY_LOCATION_DEVICE_MEMORY)?,
                registerFile: at(nvml::nvmlMemoryLocation_enum_NVML_MEMORY_LOCATION_REGISTER_FILE)?,
            })
        })
    }
    fn nvmlDeviceGetSramEccErrorStatus(gpu: nvmlDevice_t, status: Out<nvmlEccSramErrorStatus_v1_t>) {
        device("nvmlDeviceGetSramEccErrorStatus", gpu, &|scenario, _, board| {
            known(scenario, "nvmlDeviceGetSramEccErrorStatus", &status)?;
            let version = status.expect_version(1)?;
            let sram = board.sram_ecc().ok_or(NOT_SUPPORTED)?;
            status.put(nvmlEccSramErrorStatus_v1_t {
                version,
                aggregateUncParity: sram.parity_aggregate,
                aggregateUncSecDed: sram.sec_ded_aggregate,
                aggregateCor: sram.corrected_aggregate,
                volatileUncParity: sram.parity_volatile,
                volatileUncSecDed: sram.sec_ded_volatile,
                volatileCor: sram.corrected_volatile,
                aggregateUncBucketL2: sram.units.l2,
                aggregateUncBucketSm: sram.units.sm,
                aggregateUncBucketPcie: sram.units.pcie,
                aggregateUncBucketMcu: sram.units.microcontroller,
                aggregateUncBucketOther: sram.units.other,
                bThresholdExceeded: sram.threshold_exceeded.into(),
            })
        })
    }
    fn nvmlDeviceGetRemappedRows(gpu: nvmlDevice_t, correctable: Out<c_uint>, uncorrectable: Out<c_uint>, pending: Out<c_uint>, failed: Out<c_uint>) {
        device("nvmlDeviceGetRemappedRows", gpu, &|_, _, board| {
            let rows = board.row_remapping().ok_or(NOT_SUPPORTED)?;
            correctable.put(rows.correctable)?;
            uncorrectable.put(rows.uncorrectable)?;
            pending.put(rows.pending.into())?;
            failed.put(rows.failed.into())
        })
    }
    fn nvmlDeviceGetRowRemapperHistogram(gpu: nvmlDevice_t, values: Out<nvmlRowRemapperHistogramValues_t>) {
        device("nvmlDeviceGetRowRemapperHistogram", gpu, &|_, _, board| {
            let rows = board.row_remapping().and_then(|rows| rows.spare_rows).ok_or(NOT_SUPPORTED)?;
            values.put(nvmlRowRemapperHistogramValues_t { max: rows.max, high: rows.high, partial: rows.partial, low: rows.low, none: rows.none })
        })
    }
    fn nvmlDeviceGetRetiredPages(gpu: nvmlDevice_t, cause: c_uint, count: Out<c_uint>, addresses: Out<c_ulonglong>) {
        device("nvmlDeviceGetRetiredPages", gpu, &|_, _, board| pages(board, cause, &count, &addresses, None))
    }
    fn nvmlDeviceGetRetiredPages_v2(gpu: nvmlDevice_t, cause: c_uint, count: Out<c_uint>, addresses: Out<c_ulonglong>, times: Out<c_ulonglong>) {
        device("nvmlDeviceGetRetiredPages_v2", gpu, &|_, _, board| pages(board, cause, &count, &addresses, Some(&times)))
    }
    fn nvmlDeviceGetRetiredPagesPendingStatus(gpu: nvmlDevice_t, pending: Out<c_uint>) {
        device("nvmlDeviceGetRetiredPagesPendingStatus", gpu, &|_, _, board| pending.put_known(board.retired_pages().map(|pages| pages.pending.into())))
    }
}
