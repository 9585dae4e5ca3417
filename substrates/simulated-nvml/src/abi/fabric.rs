//! How GPUs are connected. No profile has a source for `NVLink` or fabric state, so these answer `NOT_SUPPORTED`.

use std::ffi::{c_uint, c_void};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlGpuLevel_enum_NVML_TOPOLOGY_NODE as SAME_NUMA_NODE};

use super::call::{NOT_SUPPORTED, device};
use super::out::Out;

export! {
    fn nvmlDeviceGetGpuFabricInfo(gpu: nvmlDevice_t, _info: Out<c_void>) { device("nvmlDeviceGetGpuFabricInfo", gpu, |_, _, _| Err(NOT_SUPPORTED)) }
    fn nvmlDeviceGetGpuFabricInfoV(gpu: nvmlDevice_t, _info: Out<c_void>) { device("nvmlDeviceGetGpuFabricInfoV", gpu, |_, _, _| Err(NOT_SUPPORTED)) }
    fn nvmlDeviceGetAddressingMode(gpu: nvmlDevice_t, _mode: Out<c_void>) { device("nvmlDeviceGetAddressingMode", gpu, |_, _, _| Err(NOT_SUPPORTED)) }
    fn nvmlDeviceGetNvLinkState(gpu: nvmlDevice_t, _link: c_uint, _state: Out<c_uint>) { device("nvmlDeviceGetNvLinkState", gpu, |_, _, _| Err(NOT_SUPPORTED)) }
    fn nvmlDeviceGetNvLinkRemotePciInfo_v2(gpu: nvmlDevice_t, _link: c_uint, _info: Out<c_void>) {
        device("nvmlDeviceGetNvLinkRemotePciInfo_v2", gpu, |_, _, _| Err(NOT_SUPPORTED))
    }
    fn nvmlDeviceGetTopologyCommonAncestor(gpu: nvmlDevice_t, _other: nvmlDevice_t, level: Out<c_uint>) {
        // A simulated host has one NUMA node.
        device("nvmlDeviceGetTopologyCommonAncestor", gpu, |_, _, _| level.put(SAME_NUMA_NODE))
    }
}
