//! Event sets.

use std::cell::Cell;
use std::ffi::{c_uint, c_ulonglong};
use std::time::{Duration, Instant};

use nvml_wrapper_sys::bindings::{self as nvml, nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, TIMEOUT, Target, UNKNOWN, device, library};
use super::out::Out;
use crate::board::Board;
use crate::scenario::Scenario;
use crate::state::{self, Registered};

/// The events of every product.
const ALWAYS: u32 = nvml::nvmlEventTypeXidCriticalError | nvml::nvmlEventTypePState | nvml::nvmlEventTypeClock;
/// Those about memory errors, of products with ECC.
const WITH_ECC: u32 = nvml::nvmlEventTypeSingleBitEccError
    | nvml::nvmlEventTypeDoubleBitEccError
    | nvml::nvmlEventTypeSingleBitEccErrorStorm
    | nvml::nvmlEventTypeDramRetirementEvent
    | nvml::nvmlEventTypeDramRetirementFailure
    | nvml::nvmlEventTypeNonFatalPoisonError
    | nvml::nvmlEventTypeFatalPoisonError;
/// Those about the recovery action, of products that have one.
const WITH_RECOVERY: u32 = nvml::nvmlEventTypeGpuUnavailableError | nvml::nvmlEventTypeGpuRecoveryAction;

/// The events that a GPU can report (nvml.h, `nvmlEventType`), and those that the scenario has it report: which product has which of the
/// newer ones has no source, so what belongs to a capability goes with the capability.
fn supported(scenario: &Scenario, position: usize, board: Board<'_>) -> u64 {
    let mut bits = ALWAYS;
    if board.ecc().is_some() {
        bits |= WITH_ECC;
    }
    if board.recovery_action().is_some() {
        bits |= WITH_RECOVERY;
    }
    if board.mig().is_some() {
        bits |= nvml::nvmlEventMigConfigChange;
    }
    let reported = scenario.events.iter().filter(|event| event.gpu == position);
    reported.fold(u64::from(bits), |bits, event| bits | event.bit())
}

/// Waits for the next event, at most `milliseconds`. A client that waits must get TIMEOUT and nothing else when there is none: NVIDIA's
/// plugin marks every GPU unhealthy on any other error.
fn wait(symbol: &str, set: nvmlEventSet_t, data: &Out<nvmlEventData_t>, milliseconds: c_uint) -> u32 {
    let until = Instant::now() + Duration::from_millis(milliseconds.into());
    let mut changes = state::Changes::of_scenario();
    loop {
        changes.listen();
        let nothing = Cell::new(false);
        let code = library(symbol, &|scenario| {
            let Some(event) = state::next_event(set.addr(), scenario).map_err(|()| INVALID_ARGUMENT)? else {
                nothing.set(true);
                return Ok(());
            };
            // Without MIG both instance ids are 0xFFFFFFFF (nvml.h).
            data.put(nvmlEventData_t {
                device: Target::Gpu(event.gpu).handle(),
                eventType: event.bit(),
                eventData: event.word(),
                gpuInstanceId: event.gpu_instance.unwrap_or(c_uint::MAX),
                computeInstanceId: event.compute_instance.unwrap_or(c_uint::MAX),
            })
        });
        if !nothing.get() {
            return code;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return TIMEOUT;
        }
        changes.sleep(left);
    }
}

export! {
    fn nvmlEventSetCreate(set: Out<nvmlEventSet_t>) {
        library("nvmlEventSetCreate", &|_| set.put(std::ptr::without_provenance_mut(state::create_set())))
    }
    fn nvmlEventSetFree(set: nvmlEventSet_t) {
        library("nvmlEventSetFree", &|_| if state::free_set(set.addr()) { Ok(()) } else { Err(INVALID_ARGUMENT) })
    }
    fn nvmlEventSetWait(set: nvmlEventSet_t, data: Out<nvmlEventData_t>, milliseconds: c_uint) { wait("nvmlEventSetWait", set, &data, milliseconds) }
    fn nvmlEventSetWait_v2(set: nvmlEventSet_t, data: Out<nvmlEventData_t>, milliseconds: c_uint) { wait("nvmlEventSetWait_v2", set, &data, milliseconds) }
    fn nvmlDeviceGetSupportedEventTypes(gpu: nvmlDevice_t, types: Out<c_ulonglong>) {
        device("nvmlDeviceGetSupportedEventTypes", gpu, &|scenario, position, board| types.put(supported(scenario, position, board)))
    }
    fn nvmlDeviceRegisterEvents(gpu: nvmlDevice_t, types: c_ulonglong, set: nvmlEventSet_t) {
        let code = device("nvmlDeviceRegisterEvents", gpu, &|scenario, position, board| {
            if types & !supported(scenario, position, board) != 0 {
                return Err(NOT_SUPPORTED);
            }
            match state::register(set.addr(), position, types, scenario) {
                Registered::Yes => Ok(()),
                Registered::NoSuchSet => Err(INVALID_ARGUMENT),
            }
        });
        if code == UNKNOWN {
            state::spoil(set.addr());
        }
        code
    }
}
