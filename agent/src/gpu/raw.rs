//! The NVML calls that nvml-wrapper 0.13 lacks or narrows, through nvml-wrapper-sys: one safe function a call. The agent's
//! only unsafe code. Called by [`super::device`] and [`super::watch`]; it decides nothing.
//!
//! A symbol that the library does not have is [`NvmlError::FailedToLoadSymbol`], never a crash. Which driver brought a call
//! is told by the oldest header that has it: nvml.h of go-nvml v0.12.0-1 (CUDA 12.0, R525), v0.12.4-0 (CUDA 12.4, R550),
//! v0.12.9-0 (CUDA 12.9, R575), v0.13.4-0 (CUDA 13), each read 2026-11-21.

#![allow(unsafe_code, reason = "calls of NVML that no safe crate wraps")]

use bedplate_protocol::facts::FabricFacts;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{
    self, nvmlDevice_t, nvmlEccSramErrorStatus_v1_t, nvmlEventData_t, nvmlEventSet_t, nvmlFieldValue_t,
    nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v3_t, nvmlMarginTemperature_v1_t, nvmlReturn_t,
};
use std::ffi::{c_int, c_uint};

/// `NVML_ERROR_ARGUMENT_VERSION_MISMATCH`: the library does not know this version of the struct.
pub(super) const VERSION_MISMATCH: u32 = 25;

/// `NVML_STRUCT_VERSION` of nvml.h: the struct's size with its version above.
const fn version<T>(number: u32) -> c_uint {
    // Every struct here is below 200 bytes.
    #[allow(clippy::cast_possible_truncation, reason = "the size of a small struct")]
    let size = size_of::<T>() as u32;
    size | (number << 24)
}

/// All zero, as NVML wants its structs before a call.
fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` types are C structs of integers, byte arrays and raw pointers: all zero is a value of each.
    unsafe { std::mem::zeroed() }
}

/// C structs of which all-zero is a value.
trait Plain {}
impl Plain for nvmlEccSramErrorStatus_v1_t {}
impl Plain for nvmlEventData_t {}
impl Plain for nvmlFieldValue_t {}
impl Plain for nvmlGpuFabricInfo_v2_t {}
impl Plain for nvmlGpuFabricInfo_v3_t {}
impl Plain for nvmlMarginTemperature_v1_t {}

fn handle(device: &Device<'_>) -> nvmlDevice_t {
    // SAFETY: the handle is used for calls on the library that gave it, while the borrow of the library lasts.
    unsafe { device.handle() }
}

/// Whether two devices are one: NVML's handle of a GPU is the same through a session.
pub(super) fn address(device: &Device<'_>) -> usize {
    handle(device).addr()
}

/// `nvmlDeviceGetCurrentClocksEventReasons` (R550), before that `nvmlDeviceGetCurrentClocksThrottleReasons`: all bits, where
/// nvml-wrapper drops those that it has no name for.
pub(super) fn clocks_event_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    let lib = device.nvml().lib();
    let by_new_name = nvml_sym(lib.nvmlDeviceGetCurrentClocksEventReasons.as_ref());
    let call = match by_new_name {
        Ok(call) => call,
        Err(_) => nvml_sym(lib.nvmlDeviceGetCurrentClocksThrottleReasons.as_ref())?,
    };
    let mut reasons = 0;
    // SAFETY: the handle is alive; the call writes one `unsigned long long`.
    nvml_try(unsafe { call(handle(device), &raw mut reasons) })?;
    Ok(reasons)
}

/// `nvmlDeviceGetMarginTemperature`, struct version 1 (R575): degrees to the nearest slowdown.
pub(super) fn margin_temperature(device: &Device<'_>) -> Result<i32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetMarginTemperature.as_ref())?;
    let mut margin: nvmlMarginTemperature_v1_t = zeroed();
    margin.version = version::<nvmlMarginTemperature_v1_t>(1);
    // SAFETY: the handle is alive; the struct is of the size that its version says.
    nvml_try(unsafe { call(handle(device), &raw mut margin) })?;
    Ok(margin.marginTemperature)
}

/// `nvmlDeviceGetSramEccErrorStatus`, struct version 1 (R550): whether the threshold of NVIDIA's field diagnostics is exceeded.
pub(super) fn sram_threshold_exceeded(device: &Device<'_>) -> Result<bool, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSramEccErrorStatus.as_ref())?;
    let mut status: nvmlEccSramErrorStatus_v1_t = zeroed();
    status.version = version::<nvmlEccSramErrorStatus_v1_t>(1);
    // SAFETY: the handle is alive; the struct is of the size that its version says.
    nvml_try(unsafe { call(handle(device), &raw mut status) })?;
    Ok(status.bThresholdExceeded != 0)
}

/// `nvmlDeviceGetGpuFabricInfoV`, struct version 3 (CUDA 13), else 2 (R550).
pub(super) fn fabric(device: &Device<'_>) -> Result<FabricFacts, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuFabricInfoV.as_ref())?;
    let mut newer: nvmlGpuFabricInfo_v3_t = zeroed();
    newer.version = version::<nvmlGpuFabricInfo_v3_t>(3);
    // SAFETY: the handle is alive; the struct is of the size that its version says.
    match unsafe { call(handle(device), &raw mut newer) } {
        VERSION_MISMATCH | bindings::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT => {}
        code => {
            nvml_try(code)?;
            return Ok(FabricFacts {
                state: newer.state.into(),
                status: i32::try_from(newer.status).ok(),
                health_mask: Some(newer.healthMask),
                // 0 is NOT_SUPPORTED (nvml.h, `NVML_GPU_FABRIC_HEALTH_SUMMARY_NOT_SUPPORTED`).
                health_summary: Some(newer.healthSummary.into()).filter(|summary| *summary != 0),
            });
        }
    }
    let mut older: nvmlGpuFabricInfo_v2_t = zeroed();
    older.version = version::<nvmlGpuFabricInfo_v2_t>(2);
    // SAFETY: as above; the library writes no more than the size in `version`, which is this smaller struct's.
    nvml_try(unsafe { call(handle(device), (&raw mut older).cast()) })?;
    Ok(FabricFacts {
        state: older.state.into(),
        status: i32::try_from(older.status).ok(),
        health_mask: Some(older.healthMask),
        health_summary: None,
    })
}

/// `nvmlDeviceGetGpuInstanceId` of a MIG device (R450, as MIG itself).
pub(super) fn gpu_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuInstanceId.as_ref())?;
    let mut id = 0;
    // SAFETY: the handle is alive; the call writes one `unsigned int`.
    nvml_try(unsafe { call(handle(device), &raw mut id) })?;
    Ok(id)
}

/// `nvmlDeviceGetComputeInstanceId` of a MIG device (R450).
pub(super) fn compute_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetComputeInstanceId.as_ref())?;
    let mut id = 0;
    // SAFETY: the handle is alive; the call writes one `unsigned int`.
    nvml_try(unsafe { call(handle(device), &raw mut id) })?;
    Ok(id)
}

/// `nvmlDeviceGetNvLinkState`.
pub(super) fn nvlink_active(device: &Device<'_>, link: u32) -> Result<bool, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetNvLinkState.as_ref())?;
    let mut active = 0;
    // SAFETY: the handle is alive; the call writes one enum, which is an `unsigned int`.
    nvml_try(unsafe { call(handle(device), link, &raw mut active) })?;
    Ok(active != bindings::nvmlEnableState_enum_NVML_FEATURE_DISABLED)
}

/// Field values asked for together; kept between passes, so that a pass allocates nothing for them.
#[derive(Default)]
pub(super) struct Fields(Vec<nvmlFieldValue_t>);

impl Fields {
    /// Forgets what was asked.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Asks for a field; its place is the number of fields asked before it. Ids 251 to 273 mean other things before and after
    /// driver 580.82 (NVML's known issues, docs.nvidia.com/deploy/nvml-api/known-issues.html) and are refused when compiled.
    pub(super) fn ask<const ID: u32>(&mut self, scope: u32) {
        const { assert!(ID < 251 || ID > 273, "this id was renumbered by driver 580.82") };
        let mut field: nvmlFieldValue_t = zeroed();
        (field.fieldId, field.scopeId) = (ID, scope);
        self.0.push(field);
    }

    /// `nvmlDeviceGetFieldValues`. Success says nothing of a field: each has a return code of its own.
    pub(super) fn read(&mut self, device: &Device<'_>) -> Result<(), NvmlError> {
        let call = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
        let count = c_int::try_from(self.0.len()).map_err(|_| NvmlError::InvalidArg)?;
        // SAFETY: the handle is alive; the array holds `count` initialised structs, which the call fills in place.
        nvml_try(unsafe { call(handle(device), count, self.0.as_mut_ptr()) })
    }

    /// The value in a place, as a whole number: negative or broken ones are the largest, which nobody takes for healthy.
    pub(super) fn value(&self, place: usize) -> Result<u64, NvmlError> {
        let field = self.0.get(place).ok_or(NvmlError::NoData)?;
        nvml_try(field.nvmlReturn)?;
        let value = field.value;
        // SAFETY: every variant of the union is a number of at most eight bytes, all of which were initialised; each is read
        // only where `valueType` says that the library wrote it.
        Ok(unsafe {
            match field.valueType {
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE => from_float(value.dVal),
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => value.uiVal.into(),
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG => value.ulVal,
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => value.ullVal,
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG => {
                    u64::try_from(value.sllVal).unwrap_or(u64::MAX)
                }
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT => {
                    u64::try_from(value.siVal).unwrap_or(u64::MAX)
                }
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_SHORT => value.usVal.into(),
                other => return Err(NvmlError::UnexpectedVariant(other)),
            }
        })
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the float's range is checked first"
)]
fn from_float(value: f64) -> u64 {
    if (0.0..=f64::from(u32::MAX)).contains(&value) {
        value as u64
    } else {
        u64::MAX
    }
}

/// What `nvmlEventSetWait_v2` tells, with the bits and instances that nvml-wrapper drops.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawEvent {
    /// Compared with [`address`].
    pub(super) device: usize,
    /// One bit of `nvmlEventType`.
    pub(super) kind: u64,
    /// The XID, where the event is one.
    pub(super) data: u64,
    /// `0xFFFFFFFF` without MIG.
    pub(super) gpu_instance: u32,
    /// `0xFFFFFFFF` without MIG.
    pub(super) compute_instance: u32,
}

/// An event set of a library that is never unloaded. Freed with its last owner, who must not wait on it any more.
pub(super) struct EventSet {
    nvml: &'static Nvml,
    set: nvmlEventSet_t,
}

// SAFETY: "NVML is thread-safe so it is safe to make simultaneous NVML calls from multiple threads" (nvml.h); the pointer is
// only ever handed back to NVML.
unsafe impl Send for EventSet {}
// SAFETY: as above.
unsafe impl Sync for EventSet {}

impl EventSet {
    /// `nvmlEventSetCreate`.
    pub(super) fn create(nvml: &'static Nvml) -> Result<Self, NvmlError> {
        let call = nvml_sym(nvml.lib().nvmlEventSetCreate.as_ref())?;
        let mut set = std::ptr::null_mut();
        // SAFETY: the call writes one pointer.
        nvml_try(unsafe { call(&raw mut set) })?;
        Ok(Self { nvml, set })
    }

    /// `nvmlDeviceGetSupportedEventTypes` and `nvmlDeviceRegisterEvents`: of the wanted events those that the GPU can tell. After
    /// UNKNOWN of the latter "event set is in undefined state and should be freed" (nvml.h); that of the former says nothing of the set.
    pub(super) fn register(&self, device: &Device<'_>, wanted: u64) -> Result<(), NvmlError> {
        let lib = self.nvml.lib();
        let supported_call = nvml_sym(lib.nvmlDeviceGetSupportedEventTypes.as_ref())?;
        let register_call = nvml_sym(lib.nvmlDeviceRegisterEvents.as_ref())?;
        let mut supported = 0;
        // SAFETY: the handle is alive; the call writes one `unsigned long long`.
        nvml_try(unsafe { supported_call(handle(device), &raw mut supported) }).map_err(|error| match error {
            NvmlError::Unknown => NvmlError::NotSupported,
            error => error,
        })?;
        // SAFETY: handle and set are alive and of the same library.
        nvml_try(unsafe { register_call(handle(device), wanted & supported, self.set) })
    }

    /// `nvmlEventSetWait_v2`; none when there was no event in time.
    pub(super) fn wait(&self, milliseconds: u32) -> Result<Option<RawEvent>, NvmlError> {
        let call = nvml_sym(self.nvml.lib().nvmlEventSetWait_v2.as_ref())?;
        let mut data: nvmlEventData_t = zeroed();
        // SAFETY: the set is alive; the call writes one struct.
        let code: nvmlReturn_t = unsafe { call(self.set, &raw mut data, milliseconds) };
        if code == bindings::nvmlReturn_enum_NVML_ERROR_TIMEOUT {
            return Ok(None);
        }
        nvml_try(code)?;
        Ok(Some(RawEvent {
            device: data.device.addr(),
            kind: data.eventType,
            data: data.eventData,
            gpu_instance: data.gpuInstanceId,
            compute_instance: data.computeInstanceId,
        }))
    }
}

impl Drop for EventSet {
    /// `nvmlEventSetFree`. A library without it keeps the set until the process ends.
    fn drop(&mut self) {
        if let Ok(call) = nvml_sym(self.nvml.lib().nvmlEventSetFree.as_ref()) {
            // SAFETY: the set is of this library, and nobody else has it any more. A failure leaves nothing to be done.
            let _ = unsafe { call(self.set) };
        }
    }
}

#[cfg(test)]
mod tests;
