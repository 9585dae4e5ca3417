//! MIG: whether it is on, and the devices that the GPU is cut into. Called by [`super::Reader`] only.

use super::Reading;
use crate::gpu::raw;
use bedplate_protocol::facts::MigDeviceFacts;
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

/// `NVML_DEVICE_MIG_ENABLE` (nvml.h).
const MIG_ENABLE: u32 = 1;

pub(super) fn read(r: &mut Reading<'_>) {
    r.known.gpu.mig_enabled = r.call("nvmlDeviceGetMigMode", |device| {
        device.mig_mode().map(|mode| mode.current == MIG_ENABLE)
    });
    if r.known.gpu.mig_enabled != Some(true) {
        return;
    }
    let most = r
        .call("nvmlDeviceGetMaxMigDeviceCount", Device::mig_device_count)
        .unwrap_or(0);
    for index in 0..most {
        let found = r.newer("nvmlDeviceGetMigDeviceHandleByIndex", |gpu| {
            match gpu.mig_device_by_index(index) {
                // A place without a device, as where a larger one takes the room of two.
                Err(NvmlError::NotFound) => Err(NvmlError::InvalidArg),
                answer => answer,
            }
        });
        if let Some(device) = found {
            let mig = MigDeviceFacts {
                index,
                uuid: r.newer("nvmlDeviceGetUUID", |_| device.uuid()),
                gpu_instance: r.newer("nvmlDeviceGetGpuInstanceId", |_| raw::gpu_instance(&device)),
                compute_instance: r.newer("nvmlDeviceGetComputeInstanceId", |_| raw::compute_instance(&device)),
                name: r.newer("nvmlDeviceGetName", |_| device.name()),
                memory_total_bytes: r.newer("nvmlDeviceGetMemoryInfo_v2", |_| {
                    device.memory_info().map(|memory| memory.total)
                }),
            };
            r.known.gpu.mig_devices.push(mig);
        }
    }
}
