//! MIG, which is there and off: no GPU of a scenario is partitioned.

use std::ffi::{c_uint, c_void};

use nvml_wrapper_sys::bindings::nvmlDevice_t;

use super::call::{NOT_FOUND, NOT_SUPPORTED, device};
use super::out::Out;

export! {
    fn nvmlDeviceGetMigMode(gpu: nvmlDevice_t, current: Out<c_uint>, pending: Out<c_uint>) {
        device("nvmlDeviceGetMigMode", gpu, |_, _, board| {
            board.profile.mig_devices.ok_or(NOT_SUPPORTED)?;
            current.put(0)?;
            pending.put(0)
        })
    }
    fn nvmlDeviceGetMaxMigDeviceCount(gpu: nvmlDevice_t, count: Out<c_uint>) {
        device("nvmlDeviceGetMaxMigDeviceCount", gpu, |_, _, board| count.put(board.profile.mig_devices.unwrap_or(0)))
    }
    // nvidia-ctk takes NOT_FOUND as "no such MIG device" and gives up on NOT_SUPPORTED (seen with 1.20.1).
    fn nvmlDeviceGetMigDeviceHandleByIndex(gpu: nvmlDevice_t, _index: c_uint, _mig: Out<nvmlDevice_t>) {
        device("nvmlDeviceGetMigDeviceHandleByIndex", gpu, |_, _, _| Err(NOT_FOUND))
    }
    fn nvmlDeviceIsMigDeviceHandle(gpu: nvmlDevice_t, answer: Out<c_uint>) {
        device("nvmlDeviceIsMigDeviceHandle", gpu, |_, _, _| answer.put(0))
    }
    // The next four answer for MIG devices only, of which there are none.
    fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(gpu: nvmlDevice_t, _parent: Out<nvmlDevice_t>) {
        device("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", gpu, |_, _, _| Err(NOT_SUPPORTED))
    }
    fn nvmlDeviceGetGpuInstanceId(gpu: nvmlDevice_t, _id: Out<c_uint>) { device("nvmlDeviceGetGpuInstanceId", gpu, |_, _, _| Err(NOT_SUPPORTED)) }
    fn nvmlDeviceGetComputeInstanceId(gpu: nvmlDevice_t, _id: Out<c_uint>) { device("nvmlDeviceGetComputeInstanceId", gpu, |_, _, _| Err(NOT_SUPPORTED)) }
    fn nvmlDeviceGetAttributes_v2(gpu: nvmlDevice_t, _attributes: Out<c_void>) { device("nvmlDeviceGetAttributes_v2", gpu, |_, _, _| Err(NOT_SUPPORTED)) }
}
