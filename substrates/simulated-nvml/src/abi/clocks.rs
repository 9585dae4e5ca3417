//! Clocks, performance state, and why clocks are below the highest.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{self as nvml, nvmlDevice_t};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, device};
use super::out::Out;

/// `nvmlClocksEventReasonAll` (nvml.h): every reason there is.
const ALL_REASONS: u32 = nvml::nvmlClocksEventReasonGpuIdle
    | nvml::nvmlClocksEventReasonApplicationsClocksSetting
    | nvml::nvmlClocksEventReasonSwPowerCap
    | nvml::nvmlClocksThrottleReasonHwSlowdown
    | nvml::nvmlClocksEventReasonSyncBoost
    | nvml::nvmlClocksEventReasonSwThermalSlowdown
    | nvml::nvmlClocksThrottleReasonHwThermalSlowdown
    | nvml::nvmlClocksThrottleReasonHwPowerBrakeSlowdown
    | nvml::nvmlClocksEventReasonDisplayClockSetting;

fn current(symbol: &str, gpu: nvmlDevice_t, reasons: &Out<c_ulonglong>) -> u32 {
    device(symbol, gpu, &|_, _, board| {
        reasons.put_known(board.clocks_event_reasons())
    })
}

fn supported(symbol: &str, gpu: nvmlDevice_t, reasons: &Out<c_ulonglong>) -> u32 {
    device(symbol, gpu, &|_, _, board| {
        reasons.put_known(board.clocks_event_reasons().map(|_| ALL_REASONS.into()))
    })
}

/// A clock that NVML knows.
fn known(kind: c_uint) -> Result<c_uint, u32> {
    if kind < nvml::nvmlClockType_enum_NVML_CLOCK_COUNT {
        Ok(kind)
    } else {
        Err(INVALID_ARGUMENT)
    }
}

export! {
    fn nvmlDeviceGetCurrentClocksEventReasons(gpu: nvmlDevice_t, reasons: Out<c_ulonglong>) { current("nvmlDeviceGetCurrentClocksEventReasons", gpu, &reasons) }
    fn nvmlDeviceGetCurrentClocksThrottleReasons(gpu: nvmlDevice_t, reasons: Out<c_ulonglong>) { current("nvmlDeviceGetCurrentClocksThrottleReasons", gpu, &reasons) }
    fn nvmlDeviceGetSupportedClocksEventReasons(gpu: nvmlDevice_t, reasons: Out<c_ulonglong>) { supported("nvmlDeviceGetSupportedClocksEventReasons", gpu, &reasons) }
    fn nvmlDeviceGetSupportedClocksThrottleReasons(gpu: nvmlDevice_t, reasons: Out<c_ulonglong>) { supported("nvmlDeviceGetSupportedClocksThrottleReasons", gpu, &reasons) }
    fn nvmlDeviceGetClockInfo(gpu: nvmlDevice_t, kind: c_uint, megahertz: Out<c_uint>) {
        device("nvmlDeviceGetClockInfo", gpu, &|_, _, board| megahertz.put_known(board.clock(known(kind)?)))
    }
    fn nvmlDeviceGetClock(gpu: nvmlDevice_t, kind: c_uint, id: c_uint, megahertz: Out<c_uint>) {
        device("nvmlDeviceGetClock", gpu, &|_, _, board| match id {
            nvml::nvmlClockId_enum_NVML_CLOCK_ID_CURRENT => megahertz.put_known(board.clock(known(kind)?)),
            other if other < nvml::nvmlClockId_enum_NVML_CLOCK_ID_COUNT => Err(NOT_SUPPORTED),
            _ => Err(INVALID_ARGUMENT),
        })
    }
    fn nvmlDeviceGetMaxClockInfo(gpu: nvmlDevice_t, kind: c_uint, megahertz: Out<c_uint>) {
        device("nvmlDeviceGetMaxClockInfo", gpu, &|_, _, board| megahertz.put_known(board.profile.greatest_clocks_mhz.of(known(kind)?)))
    }
    fn nvmlDeviceGetPerformanceState(gpu: nvmlDevice_t, state: Out<c_uint>) {
        device("nvmlDeviceGetPerformanceState", gpu, &|_, _, board| state.put_known(board.performance_state()))
    }
    fn nvmlDeviceGetPowerState(gpu: nvmlDevice_t, state: Out<c_uint>) {
        device("nvmlDeviceGetPowerState", gpu, &|_, _, board| state.put_known(board.performance_state()))
    }
}
