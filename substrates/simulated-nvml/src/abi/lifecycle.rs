//! Initialisation, versions, and the words for return codes.

use std::ffi::{c_char, c_int, c_uint};

use super::call::{Answer, DRIVER_NOT_LOADED, NOT_SUPPORTED, UNINITIALIZED, code, library};
use super::out::Out;
use crate::scenario::cuda_number;
use crate::state;

fn initialise(symbol: &str) -> u32 {
    code(symbol, &|| {
        state::hang(symbol, |scenario| scenario.hang.as_ref());
        let scenario = state::scenario().ok_or(DRIVER_NOT_LOADED)?;
        match scenario.init {
            Some(failure) if failure.code != 0 => Err(failure.code),
            _ => {
                state::initialise();
                Ok(())
            }
        }
    })
}

export! {
    fn nvmlInit() { initialise("nvmlInit") }
    fn nvmlInit_v2() { initialise("nvmlInit_v2") }
    fn nvmlInitWithFlags(_flags: c_uint) { initialise("nvmlInitWithFlags") }
    fn nvmlShutdown() { code("nvmlShutdown", &|| if state::shut_down() { Ok(()) } else { Err(UNINITIALIZED) }) }
    fn nvmlSystemGetDriverVersion(version: Out<c_char>, length: c_uint) {
        library("nvmlSystemGetDriverVersion", &|scenario| version.put_text(length, &scenario.driver_version))
    }
    fn nvmlSystemGetNVMLVersion(version: Out<c_char>, length: c_uint) {
        library("nvmlSystemGetNVMLVersion", &|scenario| version.put_text(length, &scenario.nvml_version))
    }
    fn nvmlSystemGetCudaDriverVersion(version: Out<c_int>) { cuda("nvmlSystemGetCudaDriverVersion", &version) }
    fn nvmlSystemGetCudaDriverVersion_v2(version: Out<c_int>) { cuda("nvmlSystemGetCudaDriverVersion_v2", &version) }
}

fn cuda(symbol: &str, version: &Out<c_int>) -> u32 {
    library(symbol, &|scenario| -> Answer {
        version.put(cuda_number(&scenario.cuda_version).ok_or(NOT_SUPPORTED)?)
    })
}

/// The words of nvml.h's comments on `nvmlReturn_t`, as `nvmlErrorString` gives them. A static string, never to be freed.
#[unsafe(no_mangle)]
pub(super) extern "C" fn nvmlErrorString(result: u32) -> *const c_char {
    let words = match result {
        0 => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        5 => c"Already Initialized",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        8 => c"Insufficient External Power",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        11 => c"Interrupt Request Issue",
        12 => c"NVML Shared Library Not Found",
        13 => c"Function Not Found",
        14 => c"Corrupted infoROM",
        15 => c"GPU is lost",
        16 => c"GPU requires reset",
        17 => c"GPU access blocked by the operating system",
        18 => c"Driver/library version mismatch",
        19 => c"In use by another client",
        20 => c"Insufficient Memory",
        21 => c"No data",
        23 => c"Insufficient Resources",
        25 => c"Argument version mismatch",
        27 => c"System not ready",
        28 => c"GPU not found",
        29 => c"Invalid state",
        _ => c"Unknown Error",
    };
    words.as_ptr()
}
