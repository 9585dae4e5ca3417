//! The NVML calls of one pass of the agent and nothing else, in this process: what `tests/benchmarks/agent` compares a pass with.
//!
//! `bare-pass LIBRARY` loads the library, then makes one pass for each line on standard input and answers with its microseconds and the
//! number of its calls. The calls are those of the agent's second and later passes, in its order; nothing of what they give is kept. A call
//! that fails ends it, for another machine would be measured than the agent's.

#![allow(unsafe_code, reason = "calls a C library")]

use nvml_wrapper_sys::bindings::{
    self as sys, NvmlLib, nvmlDevice_t, nvmlEccSramErrorStatus_v1_t, nvmlFieldValue_t, nvmlGpuFabricInfo_v3_t,
    nvmlMarginTemperature_v1_t, nvmlMemory_v2_t, nvmlUtilization_t,
};
use std::ffi::{c_char, c_uint};
use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

/// What the agent asks of a GPU in one call, then of each of its links.
const FIELDS: [u32; 10] = [
    sys::field_id::NVML_FI_DEV_REMAPPED_COR,
    sys::field_id::NVML_FI_DEV_REMAPPED_UNC,
    sys::field_id::NVML_FI_DEV_REMAPPED_PENDING,
    sys::field_id::NVML_FI_DEV_REMAPPED_FAILURE,
    sys::field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION,
    sys::field_id::NVML_FI_DEV_MEMORY_TEMP,
    sys::field_id::NVML_FI_DEV_RETIRED_SBE,
    sys::field_id::NVML_FI_DEV_RETIRED_DBE,
    sys::field_id::NVML_FI_DEV_RETIRED_PENDING,
    sys::field_id::NVML_FI_DEV_NVLINK_LINK_COUNT,
];
const LINK_FIELDS: [u32; 5] = [
    sys::field_id::NVML_FI_DEV_NVLINK_GET_STATE,
    sys::field_id::NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY,
    sys::field_id::NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY,
    sys::field_id::NVML_FI_DEV_NVLINK_ERROR_DL_CRC,
    sys::field_id::NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS,
];
const TEXT: usize = 96;
const TEXT_LENGTH: c_uint = 96;

/// Makes a call and counts it.
macro_rules! call {
    ($pass:expr, $library:ident.$name:ident($($argument:expr),*)) => {{
        // SAFETY: handles are the library's own; each pointer leads to a value or to a buffer of the length that is told, or to a
        // struct of the version in it; arrays hold as many initialised structs as are told.
        let code = unsafe { $library.$name($($argument),*) };
        $pass.made(stringify!($name), code)
    }};
}

fn main() -> ExitCode {
    let Some(library) = std::env::args_os().nth(1) else {
        eprintln!("usage: bare-pass LIBRARY");
        return ExitCode::from(64);
    };
    // SAFETY: a library with NVML's ABI, whose functions have the types that nvml.h gives them.
    let result = match unsafe { NvmlLib::new(&library) } {
        Ok(library) => answer(&library),
        Err(error) => Err(format!("{}: {error}", library.display())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bare-pass: {why}");
            ExitCode::FAILURE
        }
    }
}

fn answer(library: &NvmlLib) -> Result<(), String> {
    let mut first = Pass::default();
    call!(first, library.nvmlInit_v2())?;
    for line in io::stdin().lock().lines() {
        line.map_err(|error| error.to_string())?;
        let (mut pass, began) = (Pass::default(), Instant::now());
        pass.all(library)?;
        let answer = format!("{} {}\n", began.elapsed().as_micros(), pass.calls);
        io::stdout()
            .write_all(answer.as_bytes())
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// One pass under way.
#[derive(Default)]
struct Pass {
    calls: u32,
    fields: Vec<nvmlFieldValue_t>,
}

impl Pass {
    fn made(&mut self, call: &str, code: u32) -> Result<(), String> {
        self.calls += 1;
        match code {
            // What a product does not have is asked for in every pass too.
            sys::nvmlReturn_enum_NVML_SUCCESS | sys::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED => Ok(()),
            code => Err(format!("{call} answered {code}")),
        }
    }

    fn all(&mut self, library: &NvmlLib) -> Result<(), String> {
        let (mut text, mut version, mut gpus): ([c_char; TEXT], _, _) = ([0; TEXT], 0, 0);
        call!(self, library.nvmlSystemGetDriverVersion(text.as_mut_ptr(), TEXT_LENGTH))?;
        call!(self, library.nvmlSystemGetNVMLVersion(text.as_mut_ptr(), TEXT_LENGTH))?;
        call!(self, library.nvmlSystemGetCudaDriverVersion_v2(&raw mut version))?;
        call!(self, library.nvmlDeviceGetCount_v2(&raw mut gpus))?;
        for index in 0..gpus {
            let mut gpu = std::ptr::null_mut();
            call!(self, library.nvmlDeviceGetHandleByIndex_v2(index, &raw mut gpu))?;
            call!(self, library.nvmlDeviceGetUUID(gpu, text.as_mut_ptr(), TEXT_LENGTH))?;
            self.state(library, gpu)?;
            self.memory(library, gpu)?;
            self.links(library, gpu)?;
            let (mut current, mut pending) = (0, 0);
            call!(
                self,
                library.nvmlDeviceGetMigMode(gpu, &raw mut current, &raw mut pending)
            )?;
        }
        Ok(())
    }

    fn state(&mut self, library: &NvmlLib, gpu: nvmlDevice_t) -> Result<(), String> {
        let (mut number, mut energy, mut reasons) = (0, 0, 0);
        let mut margin = nvmlMarginTemperature_v1_t {
            version: 8 | 1 << 24,
            marginTemperature: 0,
        };
        let mut used = nvmlUtilization_t { gpu: 0, memory: 0 };
        call!(self, library.nvmlDeviceGetPersistenceMode(gpu, &raw mut number))?;
        call!(
            self,
            library.nvmlDeviceGetTemperature(
                gpu,
                sys::nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU,
                &raw mut number
            )
        )?;
        call!(self, library.nvmlDeviceGetMarginTemperature(gpu, &raw mut margin))?;
        call!(self, library.nvmlDeviceGetPowerUsage(gpu, &raw mut number))?;
        call!(self, library.nvmlDeviceGetEnforcedPowerLimit(gpu, &raw mut number))?;
        call!(self, library.nvmlDeviceGetTotalEnergyConsumption(gpu, &raw mut energy))?;
        call!(
            self,
            library.nvmlDeviceGetCurrentClocksEventReasons(gpu, &raw mut reasons)
        )?;
        call!(
            self,
            library.nvmlDeviceGetClockInfo(gpu, sys::nvmlClockType_enum_NVML_CLOCK_SM, &raw mut number)
        )?;
        call!(
            self,
            library.nvmlDeviceGetClockInfo(gpu, sys::nvmlClockType_enum_NVML_CLOCK_MEM, &raw mut number)
        )?;
        call!(self, library.nvmlDeviceGetPerformanceState(gpu, &raw mut number))?;
        call!(self, library.nvmlDeviceGetUtilizationRates(gpu, &raw mut used))?;
        number = 0;
        call!(
            self,
            library.nvmlDeviceGetComputeRunningProcesses_v3(gpu, &raw mut number, std::ptr::null_mut())
        )
    }

    fn memory(&mut self, library: &NvmlLib, gpu: nvmlDevice_t) -> Result<(), String> {
        let (mut current, mut pending, mut errors) = (0, 0, 0);
        let mut memory = nvmlMemory_v2_t {
            version: version_word::<nvmlMemory_v2_t>(2),
            total: 0,
            reserved: 0,
            free: 0,
            used: 0,
        };
        // SAFETY: a struct of integers, for which zeros are a value.
        let mut sram: nvmlEccSramErrorStatus_v1_t = unsafe { std::mem::zeroed() };
        sram.version = version_word::<nvmlEccSramErrorStatus_v1_t>(1);
        let uncorrected = sys::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_UNCORRECTED;
        let corrected = sys::nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_CORRECTED;
        let volatile = sys::nvmlEccCounterType_enum_NVML_VOLATILE_ECC;
        let aggregate = sys::nvmlEccCounterType_enum_NVML_AGGREGATE_ECC;
        call!(self, library.nvmlDeviceGetMemoryInfo_v2(gpu, &raw mut memory))?;
        call!(
            self,
            library.nvmlDeviceGetEccMode(gpu, &raw mut current, &raw mut pending)
        )?;
        for (kind, counter) in [(uncorrected, volatile), (corrected, volatile), (uncorrected, aggregate)] {
            call!(
                self,
                library.nvmlDeviceGetTotalEccErrors(gpu, kind, counter, &raw mut errors)
            )?;
        }
        call!(self, library.nvmlDeviceGetSramEccErrorStatus(gpu, &raw mut sram))?;
        self.fields.clear();
        self.fields.extend(FIELDS.map(|id| field(id, 0)));
        self.read_fields(library, gpu)
    }

    fn links(&mut self, library: &NvmlLib, gpu: nvmlDevice_t) -> Result<(), String> {
        let mut number = 0;
        call!(self, library.nvmlDeviceGetCurrPcieLinkGeneration(gpu, &raw mut number))?;
        call!(self, library.nvmlDeviceGetCurrPcieLinkWidth(gpu, &raw mut number))?;
        call!(self, library.nvmlDeviceGetPcieReplayCounter(gpu, &raw mut number))?;
        // SAFETY: the library's number of links is an integer of at most eight bytes, all of which were initialised.
        let links = self.fields.last().map_or(0, |count| unsafe { count.value.uiVal });
        if links > 0 {
            self.fields.clear();
            for link in 0..links {
                self.fields.extend(LINK_FIELDS.map(|id| field(id, link)));
            }
            self.read_fields(library, gpu)?;
        }
        // SAFETY: a struct of integers, for which zeros are a value.
        let mut fabric: nvmlGpuFabricInfo_v3_t = unsafe { std::mem::zeroed() };
        fabric.version = version_word::<nvmlGpuFabricInfo_v3_t>(3);
        call!(self, library.nvmlDeviceGetGpuFabricInfoV(gpu, (&raw mut fabric).cast()))
    }

    fn read_fields(&mut self, library: &NvmlLib, gpu: nvmlDevice_t) -> Result<(), String> {
        let count = i32::try_from(self.fields.len()).map_err(|error| error.to_string())?;
        call!(
            self,
            library.nvmlDeviceGetFieldValues(gpu, count, self.fields.as_mut_ptr())
        )
    }
}

fn field(id: u32, scope: u32) -> nvmlFieldValue_t {
    // SAFETY: a struct of integers, for which zeros are a value.
    let mut field: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
    (field.fieldId, field.scopeId) = (id, scope);
    field
}

/// `NVML_STRUCT_VERSION` of nvml.h.
fn version_word<T>(version: u32) -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or_default() | version << 24
}
