//! Event sets.

use std::ffi::{c_uint, c_ulonglong};
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlEventTypeDoubleBitEccError, nvmlEventTypeSingleBitEccError,
    nvmlEventTypeXidCriticalError,
};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, TIMEOUT, device, handle, library};
use super::out::Out;
use crate::board::Board;
use crate::state::{self, Registered};

/// XID always; ECC events where there is ECC (nvml.h, `nvmlEventType`). Others have no place in a scenario.
fn supported(board: Board<'_>) -> u64 {
    let ecc = if board.ecc().is_some() {
        nvmlEventTypeSingleBitEccError | nvmlEventTypeDoubleBitEccError
    } else {
        0
    };
    u64::from(nvmlEventTypeXidCriticalError | ecc)
}

/// Waits for the next event, at most `milliseconds`. A client that waits must get TIMEOUT and nothing else when there is none: NVIDIA's
/// plugin marks every GPU unhealthy on any other error.
fn wait(symbol: &str, set: nvmlEventSet_t, data: &Out<nvmlEventData_t>, milliseconds: c_uint) -> u32 {
    let until = Instant::now() + Duration::from_millis(milliseconds.into());
    loop {
        let mut nothing = false;
        let code = library(symbol, |scenario| {
            let Some(event) = state::next_event(set.addr(), scenario).map_err(|()| INVALID_ARGUMENT)? else {
                nothing = true;
                return Ok(());
            };
            // Without MIG both instance ids are 0xFFFFFFFF (nvml.h).
            data.put(nvmlEventData_t {
                device: handle(event.gpu),
                eventType: nvmlEventTypeXidCriticalError.into(),
                eventData: event.xid,
                gpuInstanceId: c_uint::MAX,
                computeInstanceId: c_uint::MAX,
            })
        });
        if !nothing {
            return code;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return TIMEOUT;
        }
        thread::sleep(left.min(state::LOOK_AGAIN));
    }
}

export! {
    fn nvmlEventSetCreate(set: Out<nvmlEventSet_t>) {
        library("nvmlEventSetCreate", |_| set.put(std::ptr::without_provenance_mut(state::create_set())))
    }
    fn nvmlEventSetFree(set: nvmlEventSet_t) {
        library("nvmlEventSetFree", |_| if state::free_set(set.addr()) { Ok(()) } else { Err(INVALID_ARGUMENT) })
    }
    fn nvmlEventSetWait(set: nvmlEventSet_t, data: Out<nvmlEventData_t>, milliseconds: c_uint) { wait("nvmlEventSetWait", set, &data, milliseconds) }
    fn nvmlEventSetWait_v2(set: nvmlEventSet_t, data: Out<nvmlEventData_t>, milliseconds: c_uint) { wait("nvmlEventSetWait_v2", set, &data, milliseconds) }
    fn nvmlDeviceGetSupportedEventTypes(gpu: nvmlDevice_t, types: Out<c_ulonglong>) {
        device("nvmlDeviceGetSupportedEventTypes", gpu, |_, _, board| types.put(supported(board)))
    }
    fn nvmlDeviceRegisterEvents(gpu: nvmlDevice_t, types: c_ulonglong, set: nvmlEventSet_t) {
        device("nvmlDeviceRegisterEvents", gpu, |scenario, position, board| {
            if types & !supported(board) != 0 {
                return Err(NOT_SUPPORTED);
            }
            match state::register(set.addr(), position, types, scenario) {
                Registered::Yes => Ok(()),
                Registered::NoSuchSet => Err(INVALID_ARGUMENT),
            }
        })
    }
}
