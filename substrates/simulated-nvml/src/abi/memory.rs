//! Memory: how much, ECC, remapped rows.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{self, nvmlDevice_t, nvmlMemory_t, nvmlMemory_v2_t};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, VERSION_MISMATCH, device};
use super::out::Out;

/// `NVML_STRUCT_VERSION(Memory, 2)` (nvml.h).
#[allow(clippy::cast_possible_truncation, reason = "the size of a small struct")]
const MEMORY_V2: c_uint = size_of::<nvmlMemory_v2_t>() as c_uint | 2 << 24;

export! {
    fn nvmlDeviceGetMemoryInfo(gpu: nvmlDevice_t, memory: Out<nvmlMemory_t>) {
        device("nvmlDeviceGetMemoryInfo", gpu, |_, _, board| {
            let (total, used) = (board.memory_total_bytes(), board.memory_used_bytes());
            memory.put(nvmlMemory_t { total, free: total - used, used })
        })
    }
    fn nvmlDeviceGetMemoryInfo_v2(gpu: nvmlDevice_t, memory: Out<nvmlMemory_v2_t>) {
        device("nvmlDeviceGetMemoryInfo_v2", gpu, |_, _, board| {
            let version = Out::version_of(&memory)?;
            if version != MEMORY_V2 {
                return Err(VERSION_MISMATCH);
            }
            let (total, used) = (board.memory_total_bytes(), board.memory_used_bytes());
            memory.put(nvmlMemory_v2_t { version, total, reserved: 0, free: total - used, used })
        })
    }
    fn nvmlDeviceGetEccMode(gpu: nvmlDevice_t, current: Out<c_uint>, pending: Out<c_uint>) {
        device("nvmlDeviceGetEccMode", gpu, |_, _, board| {
            let enabled = c_uint::from(board.ecc().ok_or(NOT_SUPPORTED)?.enabled);
            current.put(enabled)?;
            pending.put(enabled)
        })
    }
    fn nvmlDeviceGetTotalEccErrors(gpu: nvmlDevice_t, kind: c_uint, counter: c_uint, number: Out<c_ulonglong>) {
        device("nvmlDeviceGetTotalEccErrors", gpu, |_, _, board| {
            // "Requires ECC Mode to be enabled" (nvml.h). Only the volatile counters have a place in the scenario.
            let ecc = board.ecc().filter(|ecc| ecc.enabled).ok_or(NOT_SUPPORTED)?;
            match (kind, counter) {
                (_, bindings::nvmlEccCounterType_enum_NVML_AGGREGATE_ECC) => Err(NOT_SUPPORTED),
                (bindings::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_CORRECTED, _) => number.put(ecc.corrected_volatile),
                (bindings::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_UNCORRECTED, _) => number.put(ecc.uncorrected_volatile),
                _ => Err(INVALID_ARGUMENT),
            }
        })
    }
    fn nvmlDeviceGetRemappedRows(gpu: nvmlDevice_t, correctable: Out<c_uint>, uncorrectable: Out<c_uint>, pending: Out<c_uint>, failed: Out<c_uint>) {
        device("nvmlDeviceGetRemappedRows", gpu, |_, _, board| {
            let rows = board.row_remapping().ok_or(NOT_SUPPORTED)?;
            correctable.put(rows.correctable)?;
            uncorrectable.put(rows.uncorrectable)?;
            pending.put(rows.pending.into())?;
            failed.put(rows.failed.into())
        })
    }
}
