//! MIG: whether it is on, and the MIG devices that the scenario has.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlDeviceAttributes_t};

use super::call::{Answer, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, Target, device, either};
use super::out::Out;
use crate::board::Board;
use crate::scenario::MigDevice;

/// The MIG device that a handle stands for, `None` where it stands for a GPU. The handle of one that the scenario no longer has is
/// invalid, as nvml.h says of a compute instance that was destroyed.
pub(super) fn part(board: Board<'_>, target: Target) -> Result<Option<MigDevice>, u32> {
    let Target::Mig(_, index) = target else {
        return Ok(None);
    };
    let mig = board.mig().filter(|mig| mig.enabled).ok_or(INVALID_ARGUMENT)?;
    mig.devices.get(index).cloned().map(Some).ok_or(INVALID_ARGUMENT)
}

/// A call that answers for MIG devices only.
fn of_part(symbol: &str, handle: nvmlDevice_t, work: impl Fn(MigDevice) -> Answer) -> u32 {
    either(symbol, handle, &|_, target, board| {
        work(part(board, target)?.ok_or(NOT_SUPPORTED)?)
    })
}

fn attributes(symbol: &str, handle: nvmlDevice_t, attributes: &Out<nvmlDeviceAttributes_t>) -> u32 {
    of_part(symbol, handle, |part| {
        // Copy engines, decoders and the like have no place in a scenario.
        attributes.put(nvmlDeviceAttributes_t {
            multiprocessorCount: part.multiprocessors,
            sharedCopyEngineCount: 0,
            sharedDecoderCount: 0,
            sharedEncoderCount: 0,
            sharedJpegCount: 0,
            sharedOfaCount: 0,
            gpuInstanceSliceCount: part.gpu_slices,
            computeInstanceSliceCount: part.compute_slices,
            memorySizeMB: part.memory_mib,
        })
    })
}

export! {
    fn nvmlDeviceGetMigMode(gpu: nvmlDevice_t, current: Out<c_uint>, pending: Out<c_uint>) {
        device("nvmlDeviceGetMigMode", gpu, &|_, _, board| {
            let mig = board.mig().ok_or(NOT_SUPPORTED)?;
            current.put(mig.enabled.into())?;
            pending.put(mig.pending.unwrap_or(mig.enabled).into())
        })
    }
    fn nvmlDeviceGetMaxMigDeviceCount(gpu: nvmlDevice_t, count: Out<c_uint>) {
        device("nvmlDeviceGetMaxMigDeviceCount", gpu, &|_, _, board| count.put(board.profile.mig_devices.unwrap_or(0)))
    }
    // nvidia-ctk takes NOT_FOUND as "no such MIG device" and gives up on NOT_SUPPORTED (seen with 1.20.1).
    fn nvmlDeviceGetMigDeviceHandleByIndex(gpu: nvmlDevice_t, index: c_uint, mig: Out<nvmlDevice_t>) {
        device("nvmlDeviceGetMigDeviceHandleByIndex", gpu, &|_, position, board| {
            let parts = board.mig().filter(|mig| mig.enabled).map_or(0, |mig| mig.devices.len());
            if (index as usize) < parts { mig.put(Target::Mig(position, index as usize).handle()) } else { Err(NOT_FOUND) }
        })
    }
    fn nvmlDeviceIsMigDeviceHandle(gpu: nvmlDevice_t, answer: Out<c_uint>) {
        either("nvmlDeviceIsMigDeviceHandle", gpu, &|_, target, board| answer.put(part(board, target)?.is_some().into()))
    }
    fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(gpu: nvmlDevice_t, parent: Out<nvmlDevice_t>) {
        either("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", gpu, &|_, target, board| {
            part(board, target)?.ok_or(NOT_SUPPORTED)?;
            parent.put(Target::Gpu(target.position()).handle())
        })
    }
    fn nvmlDeviceGetGpuInstanceId(gpu: nvmlDevice_t, id: Out<c_uint>) { of_part("nvmlDeviceGetGpuInstanceId", gpu, |part| id.put(part.gpu_instance)) }
    fn nvmlDeviceGetComputeInstanceId(gpu: nvmlDevice_t, id: Out<c_uint>) { of_part("nvmlDeviceGetComputeInstanceId", gpu, |part| id.put(part.compute_instance)) }
    fn nvmlDeviceGetAttributes(gpu: nvmlDevice_t, values: Out<nvmlDeviceAttributes_t>) { attributes("nvmlDeviceGetAttributes", gpu, &values) }
    fn nvmlDeviceGetAttributes_v2(gpu: nvmlDevice_t, values: Out<nvmlDeviceAttributes_t>) { attributes("nvmlDeviceGetAttributes_v2", gpu, &values) }
}
