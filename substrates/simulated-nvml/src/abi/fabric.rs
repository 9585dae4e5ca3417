//! The fabric behind a GPU's links, its place in a rack, and how near GPUs are to one another.

use std::ffi::{c_uchar, c_uint, c_void};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlGpuFabricInfo_t, nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v3_t,
    nvmlGpuLevel_enum_NVML_TOPOLOGY_NODE as SAME_NUMA_NODE, nvmlPlatformInfo_v1_t, nvmlPlatformInfo_v2_t,
};

use super::call::{NOT_SUPPORTED, VERSION_MISMATCH, device, known};
use super::out::{Out, version_word};

/// Text in a field of fixed size, zeros behind it; what does not fit is cut.
fn bytes<const N: usize>(text: &str) -> [c_uchar; N] {
    let mut field = [0; N];
    for (place, byte) in field.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    field
}

export! {
    fn nvmlDeviceGetGpuFabricInfo(gpu: nvmlDevice_t, info: Out<nvmlGpuFabricInfo_t>) {
        device("nvmlDeviceGetGpuFabricInfo", gpu, &|_, _, board| {
            let fabric = board.gpu.fabric.as_ref().ok_or(NOT_SUPPORTED)?;
            info.put(nvmlGpuFabricInfo_t {
                clusterUuid: fabric.cluster().unwrap_or_default(),
                status: fabric.status,
                cliqueId: fabric.clique,
                state: fabric.state,
            })
        })
    }
    fn nvmlDeviceGetGpuFabricInfoV(gpu: nvmlDevice_t, info: Out<nvmlGpuFabricInfo_v3_t>) {
        device("nvmlDeviceGetGpuFabricInfoV", gpu, &|scenario, _, board| {
            known(scenario, "nvmlDeviceGetGpuFabricInfoV", &info)?;
            let version = info.version()?;
            if version != version_word::<nvmlGpuFabricInfo_v3_t>(3) && version != version_word::<nvmlGpuFabricInfo_v2_t>(2) {
                return Err(VERSION_MISMATCH);
            }
            let fabric = board.gpu.fabric.as_ref().ok_or(NOT_SUPPORTED)?;
            let second = nvmlGpuFabricInfo_v2_t {
                version,
                clusterUuid: fabric.cluster().unwrap_or_default(),
                status: fabric.status,
                cliqueId: fabric.clique,
                state: fabric.state,
                healthMask: fabric.health_mask,
            };
            if version == version_word::<nvmlGpuFabricInfo_v2_t>(2) {
                return info.as_other::<nvmlGpuFabricInfo_v2_t>().put(second);
            }
            info.put(nvmlGpuFabricInfo_v3_t {
                version,
                clusterUuid: second.clusterUuid,
                status: second.status,
                cliqueId: second.cliqueId,
                state: second.state,
                healthMask: second.healthMask,
                healthSummary: fabric.health_summary,
            })
        })
    }
    fn nvmlDeviceGetPlatformInfo(gpu: nvmlDevice_t, info: Out<nvmlPlatformInfo_v2_t>) {
        device("nvmlDeviceGetPlatformInfo", gpu, &|_, _, board| {
            let version = info.version()?;
            let first = version_word::<nvmlPlatformInfo_v1_t>(1);
            if version != first && version != version_word::<nvmlPlatformInfo_v2_t>(2) {
                return Err(VERSION_MISMATCH);
            }
            let platform = board.platform().ok_or(NOT_SUPPORTED)?;
            // The InfiniBand GUID has no place in a scenario.
            if version == first {
                return info.as_other::<nvmlPlatformInfo_v1_t>().put(nvmlPlatformInfo_v1_t {
                    version,
                    ibGuid: [0; 16],
                    rackGuid: bytes(&platform.chassis_serial),
                    chassisPhysicalSlotNumber: platform.slot,
                    computeSlotIndex: platform.tray,
                    nodeIndex: platform.host,
                    peerType: platform.peer_type,
                    moduleId: platform.module_id,
                });
            }
            info.put(nvmlPlatformInfo_v2_t {
                version,
                ibGuid: [0; 16],
                chassisSerialNumber: bytes(&platform.chassis_serial),
                slotNumber: platform.slot,
                trayIndex: platform.tray,
                hostId: platform.host,
                peerType: platform.peer_type,
                moduleId: platform.module_id,
            })
        })
    }
    fn nvmlDeviceGetModuleId(gpu: nvmlDevice_t, id: Out<c_uint>) {
        device("nvmlDeviceGetModuleId", gpu, &|_, _, board| id.put_known(board.gpu.module_id))
    }
    fn nvmlDeviceGetAddressingMode(gpu: nvmlDevice_t, _mode: Out<c_void>) { device("nvmlDeviceGetAddressingMode", gpu, &|_, _, _| Err(NOT_SUPPORTED)) }
    fn nvmlDeviceGetTopologyCommonAncestor(gpu: nvmlDevice_t, _other: nvmlDevice_t, level: Out<c_uint>) {
        // A simulated host has one NUMA node.
        device("nvmlDeviceGetTopologyCommonAncestor", gpu, &|_, _, _| level.put(SAME_NUMA_NODE))
    }
}
