//! What every exported function goes through, and NVML's return codes. Called by the functions of this directory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use nvml_wrapper_sys::bindings::{self, nvmlDevice_t};

use super::out::Out;
use crate::board::Board;
use crate::scenario::{CallName, Scenario};
use crate::state::{self, Current};

pub(super) const SUCCESS: u32 = bindings::nvmlReturn_enum_NVML_SUCCESS;
pub(super) const UNINITIALIZED: u32 = bindings::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED;
pub(super) const INVALID_ARGUMENT: u32 = bindings::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
pub(super) const NOT_SUPPORTED: u32 = bindings::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;
pub(super) const NOT_FOUND: u32 = bindings::nvmlReturn_enum_NVML_ERROR_NOT_FOUND;
pub(super) const INSUFFICIENT_SIZE: u32 = bindings::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE;
pub(super) const DRIVER_NOT_LOADED: u32 = bindings::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED;
pub(super) const TIMEOUT: u32 = bindings::nvmlReturn_enum_NVML_ERROR_TIMEOUT;
pub(super) const CORRUPTED_INFOROM: u32 = bindings::nvmlReturn_enum_NVML_ERROR_CORRUPTED_INFOROM;
pub(super) const GPU_IS_LOST: u32 = bindings::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST;
pub(super) const VERSION_MISMATCH: u32 = bindings::nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
pub(super) const UNKNOWN: u32 = bindings::nvmlReturn_enum_NVML_ERROR_UNKNOWN;

/// Success, or the return code of a failure.
pub(super) type Answer = Result<(), u32>;

/// The answer as NVML's return code, after the time that the scenario gives the call. A panic must not cross into the client: it becomes
/// `UNKNOWN`. The work is called through a pointer, as below: what surrounds it is there once, and not once for every exported function.
pub(super) fn code(symbol: &str, work: &dyn Fn() -> Answer) -> u32 {
    let began = Instant::now();
    let whole = AssertUnwindSafe(|| {
        state::call(|| {
            let answer = work();
            state::spend(symbol, began);
            answer
        })
    });
    match catch_unwind(whole) {
        Ok(Ok(())) => SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => UNKNOWN,
    }
}

/// The code that the scenario has this call answer, where it is a failure.
fn injected(symbol: &str, returns: &BTreeMap<CallName, u32>) -> Answer {
    match returns.iter().find(|(call, _)| call.is(symbol)) {
        Some((_, code)) if *code != SUCCESS => Err(*code),
        _ => Ok(()),
    }
}

/// Whether the scenario's library knows the version of the struct that the caller has.
pub(super) fn known<T>(scenario: &Scenario, symbol: &str, out: &Out<T>) -> Answer {
    let mut newest = scenario.newest_struct_versions.iter();
    match newest.find(|(call, _)| call.is(symbol)) {
        Some((_, newest)) if out.version()? >> 24 > *newest => Err(VERSION_MISMATCH),
        _ => Ok(()),
    }
}

/// A call that names no GPU.
pub(super) fn library(symbol: &str, work: &dyn Fn(&Current) -> Answer) -> u32 {
    code(symbol, &|| {
        state::hang(symbol, |scenario| scenario.hang.as_ref());
        if !state::is_initialised() {
            return Err(UNINITIALIZED);
        }
        // A driver that was there at nvmlInit and is gone now.
        let scenario = state::scenario().ok_or(DRIVER_NOT_LOADED)?;
        injected(symbol, &scenario.returns)?;
        work(&scenario)
    })
}

/// A call on a GPU. The handle of a MIG device is none of a GPU.
pub(super) fn device(symbol: &str, handle: nvmlDevice_t, work: &dyn Fn(&Current, usize, Board<'_>) -> Answer) -> u32 {
    either(symbol, handle, &|scenario, target, board| match target {
        Target::Gpu(position) => work(scenario, position, board),
        Target::Mig(..) => Err(INVALID_ARGUMENT),
    })
}

/// A call on a GPU or on a MIG device; the board is the GPU's either way.
pub(super) fn either(symbol: &str, handle: nvmlDevice_t, work: &dyn Fn(&Current, Target, Board<'_>) -> Answer) -> u32 {
    code(symbol, &|| {
        if !state::is_initialised() {
            return Err(UNINITIALIZED);
        }
        let target = Target::of(handle).ok_or(INVALID_ARGUMENT)?;
        let position = target.position();
        state::hang(symbol, |scenario| scenario.gpus.get(position)?.hang.as_ref());
        let scenario = state::scenario().ok_or(DRIVER_NOT_LOADED)?;
        let board = scenario.board(position).ok_or(INVALID_ARGUMENT)?;
        if board.gpu.lost {
            return Err(GPU_IS_LOST);
        }
        injected(symbol, &board.gpu.returns)?;
        work(&scenario, target, board)
    })
}

/// What a handle stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The GPU at this position of the scenario.
    Gpu(usize),
    /// Its MIG device of this index.
    Mig(usize, usize),
}

/// Handles are numbers, not addresses, so that no client's junk is dereferenced: spaced as pointers are, a GPU's by its position in the
/// scenario, its MIG devices' next to it.
const FIRST_HANDLE: usize = 0x1000;
const GPU_STEP: usize = 0x1000;
const MIG_STEP: usize = 0x10;

impl Target {
    /// The handle that stands for it.
    pub(super) fn handle(self) -> nvmlDevice_t {
        let offset = match self {
            Self::Gpu(position) => position * GPU_STEP,
            Self::Mig(position, index) => position * GPU_STEP + (index + 1) * MIG_STEP,
        };
        std::ptr::without_provenance_mut(FIRST_HANDLE + offset)
    }

    fn of(handle: nvmlDevice_t) -> Option<Self> {
        let offset = handle.addr().checked_sub(FIRST_HANDLE)?;
        let (position, within) = (offset / GPU_STEP, offset % GPU_STEP);
        match (within / MIG_STEP).checked_sub(1) {
            _ if !within.is_multiple_of(MIG_STEP) => None,
            None => Some(Self::Gpu(position)),
            Some(index) => Some(Self::Mig(position, index)),
        }
    }

    /// The GPU's position in the scenario.
    pub(super) fn position(self) -> usize {
        match self {
            Self::Gpu(position) | Self::Mig(position, _) => position,
        }
    }
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
