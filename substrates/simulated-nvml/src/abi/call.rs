//! What every exported function goes through, and NVML's return codes. Called by the functions of this directory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use nvml_wrapper_sys::bindings::{self, nvmlDevice_t};

use crate::board::Board;
use crate::scenario::Scenario;
use crate::state;

pub(super) const SUCCESS: u32 = bindings::nvmlReturn_enum_NVML_SUCCESS;
pub(super) const UNINITIALIZED: u32 = bindings::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED;
pub(super) const INVALID_ARGUMENT: u32 = bindings::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
pub(super) const NOT_SUPPORTED: u32 = bindings::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;
pub(super) const NOT_FOUND: u32 = bindings::nvmlReturn_enum_NVML_ERROR_NOT_FOUND;
pub(super) const INSUFFICIENT_SIZE: u32 = bindings::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE;
pub(super) const DRIVER_NOT_LOADED: u32 = bindings::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED;
pub(super) const TIMEOUT: u32 = bindings::nvmlReturn_enum_NVML_ERROR_TIMEOUT;
pub(super) const GPU_IS_LOST: u32 = bindings::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST;
pub(super) const VERSION_MISMATCH: u32 = bindings::nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
pub(super) const UNKNOWN: u32 = bindings::nvmlReturn_enum_NVML_ERROR_UNKNOWN;

/// Success, or the return code of a failure.
pub(super) type Answer = Result<(), u32>;

/// The answer as NVML's return code. A panic must not cross into the client: it becomes `UNKNOWN`.
pub(super) fn code(work: impl FnOnce() -> Answer) -> u32 {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => UNKNOWN,
    }
}

/// A call that names no GPU.
pub(super) fn library(symbol: &str, work: impl FnOnce(&Scenario) -> Answer) -> u32 {
    code(|| {
        state::hang(symbol, |scenario| scenario.hang.as_ref());
        if !state::is_initialised() {
            return Err(UNINITIALIZED);
        }
        // A driver that was there at nvmlInit and is gone now.
        work(&*state::scenario().ok_or(DRIVER_NOT_LOADED)?)
    })
}

/// A call on a GPU.
pub(super) fn device(
    symbol: &str,
    handle: nvmlDevice_t,
    work: impl FnOnce(&Scenario, usize, Board<'_>) -> Answer,
) -> u32 {
    code(|| {
        if !state::is_initialised() {
            return Err(UNINITIALIZED);
        }
        let position = position(handle).ok_or(INVALID_ARGUMENT)?;
        state::hang(symbol, |scenario| scenario.gpus.get(position)?.hang.as_ref());
        let scenario = state::scenario().ok_or(DRIVER_NOT_LOADED)?;
        let gpu = scenario.gpus.get(position).ok_or(INVALID_ARGUMENT)?;
        if gpu.lost {
            return Err(GPU_IS_LOST);
        }
        if let Some((_, code)) = gpu
            .returns
            .iter()
            .find(|(call, code)| call.is(symbol) && **code != SUCCESS)
        {
            return Err(*code);
        }
        work(&scenario, position, Board::of(gpu))
    })
}

/// Handles are numbers, not addresses: position in the scenario, spaced as pointers are, so that no client's junk is dereferenced.
const FIRST_HANDLE: usize = 0x1000;
const HANDLE_STEP: usize = 0x10;

/// The handle of the GPU at this position of the scenario.
pub(super) fn handle(position: usize) -> nvmlDevice_t {
    std::ptr::without_provenance_mut(FIRST_HANDLE + position * HANDLE_STEP)
}

fn position(handle: nvmlDevice_t) -> Option<usize> {
    let offset = handle.addr().checked_sub(FIRST_HANDLE)?;
    offset.is_multiple_of(HANDLE_STEP).then_some(offset / HANDLE_STEP)
}

/// The positions that NVML's indexes 0, 1, … stand for. As NVIDIA's driver does in a container, only GPUs whose device node is there
/// count, once there is any NVIDIA device node at all.
pub(super) fn visible(scenario: &Scenario, dev: &Path) -> Vec<usize> {
    let all = scenario.gpus.iter().enumerate();
    let node = |minor: u32| dev.join(format!("nvidia{minor}")).exists();
    if dev.join("nvidiactl").exists() || scenario.gpus.iter().any(|gpu| node(gpu.minor)) {
        all.filter(|(_, gpu)| node(gpu.minor))
            .map(|(position, _)| position)
            .collect()
    } else {
        all.map(|(position, _)| position).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::ProfileName;

    #[test]
    fn in_a_container_only_gpus_with_a_device_node_are_counted_and_they_are_renumbered() {
        let scenario = Scenario::for_host("gpu-1", "580.95.05", "13.0", &[(ProfileName::H100, 3)]);
        let dev = tempfile::tempdir().unwrap();
        assert_eq!(
            visible(&scenario, dev.path()),
            [0, 1, 2],
            "no device node at all: a host whose nodes are not made yet"
        );
        std::fs::write(dev.path().join("nvidia2"), "").unwrap();
        assert_eq!(visible(&scenario, dev.path()), [2]);
        std::fs::remove_file(dev.path().join("nvidia2")).unwrap();
        std::fs::write(dev.path().join("nvidiactl"), "").unwrap();
        assert_eq!(
            visible(&scenario, dev.path()),
            [] as [usize; 0],
            "a container with the driver and no GPU"
        );
    }
}
