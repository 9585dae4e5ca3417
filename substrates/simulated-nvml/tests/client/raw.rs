//! Calls that nvml-wrapper lacks, by their addresses in the library. Each gives NVML's return code as its error.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{self as sys, NvmlLib, nvmlDevice_t};

use crate::installed::Installed;

/// Numbers of fields (nvml.h).
pub(crate) mod field {
    pub(crate) use nvml_wrapper_sys::bindings::field_id::{
        NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN as HW_THERMAL_SLOWDOWN,
        NVML_FI_DEV_MEMORY_TEMP as MEMORY_TEMP, NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL as CRC_FLIT_TOTAL,
        NVML_FI_DEV_NVLINK_LINK_COUNT as LINK_COUNT, NVML_FI_DEV_POWER_AVERAGE as POWER_AVERAGE,
        NVML_FI_DEV_POWER_INSTANT as POWER_INSTANT, NVML_FI_DEV_REMAPPED_COR as REMAPPED_COR,
        NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT as TEMPERATURE_SLOWDOWN_TLIMIT,
        NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION as TOTAL_ENERGY,
    };
}

/// `NVML_STRUCT_VERSION`.
pub(crate) fn version_word<T>(version: u32) -> u32 {
    u32::try_from(size_of::<T>()).unwrap() | version << 24
}

/// A library that is loaded and initialised.
pub(crate) struct Raw(pub(crate) NvmlLib);

/// The value, or the return code.
fn answer<T>(code: u32, value: T) -> Result<T, u32> {
    if code == 0 { Ok(value) } else { Err(code) }
}

impl Raw {
    pub(crate) fn open(installed: &Installed) -> Self {
        // SAFETY: the library of this package, whose functions have the types that nvml.h gives them.
        let library = unsafe { NvmlLib::new(installed.library()) }.unwrap();
        // SAFETY: no arguments.
        let code = unsafe { library.nvmlInit_v2() };
        assert_eq!(code, 0);
        Self(library)
    }

    pub(crate) fn gpu(&self, index: c_uint) -> nvmlDevice_t {
        let mut gpu = std::ptr::null_mut();
        // SAFETY: `gpu` lives through the call.
        let code = unsafe { self.0.nvmlDeviceGetHandleByIndex_v2(index, &raw mut gpu) };
        answer(code, gpu).unwrap()
    }

    pub(crate) fn mig(&self, index: c_uint, part: c_uint) -> nvmlDevice_t {
        let mut mig = std::ptr::null_mut();
        // SAFETY: `mig` lives through the call.
        let code = unsafe {
            self.0
                .nvmlDeviceGetMigDeviceHandleByIndex(self.gpu(index), part, &raw mut mig)
        };
        answer(code, mig).unwrap()
    }

    pub(crate) fn gpu_instance(&self, device: nvmlDevice_t) -> Result<u32, u32> {
        let mut id = 0;
        // SAFETY: `id` lives through the call.
        let code = unsafe { self.0.nvmlDeviceGetGpuInstanceId(device, &raw mut id) };
        answer(code, id)
    }

    pub(crate) fn field(&self, index: c_uint, field: u32, scope: u32) -> Result<u64, u32> {
        let mut value = sys::nvmlFieldValue_t {
            fieldId: field,
            scopeId: scope,
            timestamp: 0,
            latencyUsec: 0,
            valueType: 0,
            nvmlReturn: 0,
            value: sys::nvmlValue_t { ullVal: 0 },
        };
        // SAFETY: one value, and a length of one.
        let code = unsafe { self.0.nvmlDeviceGetFieldValues(self.gpu(index), 1, &raw mut value) };
        assert_eq!(code, 0, "the call itself");
        // SAFETY: the library writes every byte of the union.
        answer(value.nvmlReturn, unsafe { value.value.ullVal })
    }

    pub(crate) fn margin(&self, index: c_uint) -> Result<i32, u32> {
        let mut margin = sys::nvmlMarginTemperature_v1_t {
            version: 8 | 1 << 24,
            marginTemperature: 0,
        };
        // SAFETY: a struct of the size that its version says.
        let code = unsafe { self.0.nvmlDeviceGetMarginTemperature(self.gpu(index), &raw mut margin) };
        answer(code, margin.marginTemperature)
    }

    pub(crate) fn clocks_event_reasons(&self, index: c_uint) -> Result<u64, u32> {
        let mut reasons = 0;
        // SAFETY: `reasons` lives through the call.
        let code = unsafe {
            self.0
                .nvmlDeviceGetCurrentClocksEventReasons(self.gpu(index), &raw mut reasons)
        };
        answer(code, reasons)
    }

    pub(crate) fn persistence_mode(&self, index: c_uint) -> Result<u32, u32> {
        let mut mode = 7;
        // SAFETY: `mode` lives through the call.
        let code = unsafe { self.0.nvmlDeviceGetPersistenceMode(self.gpu(index), &raw mut mode) };
        answer(code, mode)
    }

    pub(crate) fn sram_ecc(&self, index: c_uint, version: u32) -> Result<sys::nvmlEccSramErrorStatus_v1_t, u32> {
        // SAFETY: a struct of integers, for which zeros are a value.
        let mut status: sys::nvmlEccSramErrorStatus_v1_t = unsafe { std::mem::zeroed() };
        status.version = version;
        // SAFETY: a struct of the size of version 1, the only one that the library writes.
        let code = unsafe { self.0.nvmlDeviceGetSramEccErrorStatus(self.gpu(index), &raw mut status) };
        answer(code, status)
    }

    pub(crate) fn fabric(&self, index: c_uint) -> Result<sys::nvmlGpuFabricInfo_t, u32> {
        // SAFETY: a struct of integers, for which zeros are a value.
        let mut info: sys::nvmlGpuFabricInfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` lives through the call.
        let code = unsafe { self.0.nvmlDeviceGetGpuFabricInfo(self.gpu(index), &raw mut info) };
        answer(code, info)
    }

    /// The longest version's struct; `healthSummary` begins as 0xee.
    pub(crate) fn fabric_versioned(&self, index: c_uint, version: u32) -> Result<sys::nvmlGpuFabricInfo_v3_t, u32> {
        // SAFETY: a struct of integers, for which zeros are a value.
        let mut info: sys::nvmlGpuFabricInfo_v3_t = unsafe { std::mem::zeroed() };
        (info.version, info.healthSummary) = (version, 0xee);
        // SAFETY: a struct of the size of version 3, the longest.
        let code = unsafe { self.0.nvmlDeviceGetGpuFabricInfoV(self.gpu(index), &raw mut info) };
        answer(code, info)
    }

    /// A new set with these events of the GPU registered.
    pub(crate) fn event_set(&self, index: c_uint, events: u64) -> Result<sys::nvmlEventSet_t, u32> {
        let mut set = std::ptr::null_mut();
        // SAFETY: `set` lives through the call.
        let code = unsafe { self.0.nvmlEventSetCreate(&raw mut set) };
        assert_eq!(code, 0);
        // SAFETY: a set and a GPU of this library.
        let code = unsafe { self.0.nvmlDeviceRegisterEvents(self.gpu(index), events, set) };
        answer(code, set)
    }

    pub(crate) fn wait(&self, set: sys::nvmlEventSet_t, milliseconds: c_uint) -> Result<sys::nvmlEventData_t, u32> {
        // SAFETY: a struct of integers and a handle, for which zeros are a value.
        let mut data: sys::nvmlEventData_t = unsafe { std::mem::zeroed() };
        // SAFETY: `data` lives through the call.
        let code = unsafe { self.0.nvmlEventSetWait_v2(set, &raw mut data, milliseconds) };
        answer(code, data)
    }
}
