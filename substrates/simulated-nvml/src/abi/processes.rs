//! Processes on a GPU. Every process of a scenario has a compute context; there are no graphics or MPS processes.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlProcessInfo_v1_t, nvmlProcessInfo_v2_t};

use super::call::{INSUFFICIENT_SIZE, either};
use super::out::Out;
use crate::scenario::Process;

/// Fills the caller's array, whose length is in `count`; where it is too short, says how long it must be.
fn list<T: Copy>(
    symbol: &str,
    gpu: nvmlDevice_t,
    count: &Out<c_uint>,
    infos: &Out<T>,
    entry: impl Fn(&Process) -> T,
) -> u32 {
    either(symbol, gpu, &|_, target, board| {
        let room = count.get()? as usize;
        // Which MIG device a process runs on has no place in a scenario: it is the GPU's.
        let processes = match super::mig::part(board, target)? {
            None => board.gpu.processes.as_slice(),
            Some(_) => &[],
        };
        count.put(c_uint::try_from(processes.len()).unwrap_or(c_uint::MAX))?;
        if processes.len() > room {
            return Err(INSUFFICIENT_SIZE);
        }
        processes
            .iter()
            .enumerate()
            .try_for_each(|(position, process)| infos.put_at(position, entry(process)))
    })
}

fn none(symbol: &str, gpu: nvmlDevice_t, count: &Out<c_uint>) -> u32 {
    either(symbol, gpu, &|_, _, _| count.put(0))
}

/// Also the layout of version 3 (nvml.h: `nvmlProcessInfo_t` is `nvmlProcessInfo_v2_t`). Without MIG both ids are 0xFFFFFFFF.
fn entry(process: &Process) -> nvmlProcessInfo_v2_t {
    nvmlProcessInfo_v2_t {
        pid: process.pid,
        usedGpuMemory: process.memory_mib.saturating_mul(1 << 20),
        gpuInstanceId: c_uint::MAX,
        computeInstanceId: c_uint::MAX,
    }
}

export! {
    fn nvmlDeviceGetComputeRunningProcesses(gpu: nvmlDevice_t, count: Out<c_uint>, infos: Out<nvmlProcessInfo_v1_t>) {
        list("nvmlDeviceGetComputeRunningProcesses", gpu, &count, &infos, |process| nvmlProcessInfo_v1_t { pid: process.pid, usedGpuMemory: entry(process).usedGpuMemory })
    }
    fn nvmlDeviceGetComputeRunningProcesses_v2(gpu: nvmlDevice_t, count: Out<c_uint>, infos: Out<nvmlProcessInfo_v2_t>) {
        list("nvmlDeviceGetComputeRunningProcesses_v2", gpu, &count, &infos, entry)
    }
    fn nvmlDeviceGetComputeRunningProcesses_v3(gpu: nvmlDevice_t, count: Out<c_uint>, infos: Out<nvmlProcessInfo_v2_t>) {
        list("nvmlDeviceGetComputeRunningProcesses_v3", gpu, &count, &infos, entry)
    }
    fn nvmlDeviceGetGraphicsRunningProcesses_v3(gpu: nvmlDevice_t, count: Out<c_uint>, _infos: Out<nvmlProcessInfo_v2_t>) {
        none("nvmlDeviceGetGraphicsRunningProcesses_v3", gpu, &count)
    }
    fn nvmlDeviceGetMPSComputeRunningProcesses_v3(gpu: nvmlDevice_t, count: Out<c_uint>, _infos: Out<nvmlProcessInfo_v2_t>) {
        none("nvmlDeviceGetMPSComputeRunningProcesses_v3", gpu, &count)
    }
}
