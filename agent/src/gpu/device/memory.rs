//! A GPU's memory: how much, its errors, what was remapped or retired, and what the driver recommends. Called by
//! [`super::Reader`] only.

use super::Reading;
use crate::gpu::raw;
use bedplate_protocol::facts::{RetiredPages, RowRemapping};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError};
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, NVML_FI_DEV_MEMORY_TEMP, NVML_FI_DEV_NVLINK_LINK_COUNT,
    NVML_FI_DEV_REMAPPED_COR, NVML_FI_DEV_REMAPPED_FAILURE, NVML_FI_DEV_REMAPPED_PENDING, NVML_FI_DEV_REMAPPED_UNC,
    NVML_FI_DEV_RETIRED_DBE, NVML_FI_DEV_RETIRED_PENDING, NVML_FI_DEV_RETIRED_SBE,
};

pub(super) fn read(r: &mut Reading<'_>) {
    let memory = r.call("nvmlDeviceGetMemoryInfo_v2", Device::memory_info);
    r.known.gpu.memory_total_bytes = memory.as_ref().map(|memory| memory.total);
    r.known.gpu.memory_used_bytes = memory.map(|memory| memory.used);
    ecc(r);
    fields(r);
}

fn ecc(r: &mut Reading<'_>) {
    r.known.gpu.ecc_enabled = r.call("nvmlDeviceGetEccMode", |device| {
        device.is_ecc_enabled().map(|ecc| ecc.currently_enabled)
    });
    if r.known.gpu.ecc_enabled != Some(true) {
        return;
    }
    let total = "nvmlDeviceGetTotalEccErrors";
    r.known.gpu.ecc_uncorrected_volatile = r.call(total, |device| {
        device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)
    });
    r.known.gpu.ecc_corrected_volatile = r.newer(total, |device| {
        device.total_ecc_errors(MemoryError::Corrected, EccCounter::Volatile)
    });
    r.known.gpu.ecc_uncorrected_aggregate = r.newer(total, |device| {
        device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Aggregate)
    });
    r.known.gpu.ecc_sram_threshold_exceeded = r.newer("nvmlDeviceGetSramEccErrorStatus", |device| {
        raw::sram_threshold_exceeded(device)
    });
}

/// Everything about the whole GPU that is a field, in one call.
fn fields(r: &mut Reading<'_>) {
    r.fields.clear();
    r.fields.ask::<NVML_FI_DEV_REMAPPED_COR>(0);
    r.fields.ask::<NVML_FI_DEV_REMAPPED_UNC>(0);
    r.fields.ask::<NVML_FI_DEV_REMAPPED_PENDING>(0);
    r.fields.ask::<NVML_FI_DEV_REMAPPED_FAILURE>(0);
    r.fields.ask::<NVML_FI_DEV_GET_GPU_RECOVERY_ACTION>(0);
    r.fields.ask::<NVML_FI_DEV_MEMORY_TEMP>(0);
    r.fields.ask::<NVML_FI_DEV_RETIRED_SBE>(0);
    r.fields.ask::<NVML_FI_DEV_RETIRED_DBE>(0);
    r.fields.ask::<NVML_FI_DEV_RETIRED_PENDING>(0);
    r.fields.ask::<NVML_FI_DEV_NVLINK_LINK_COUNT>(0);
    if !r.read_fields() {
        return;
    }
    let correctable = r.small_field("NVML_FI_DEV_REMAPPED_COR", 0);
    let uncorrectable = r.small_field("NVML_FI_DEV_REMAPPED_UNC", 1);
    let pending = r.small_field("NVML_FI_DEV_REMAPPED_PENDING", 2);
    let failed = r.small_field("NVML_FI_DEV_REMAPPED_FAILURE", 3);
    if let (Some(correctable), Some(uncorrectable), Some(pending), Some(failed)) =
        (correctable, uncorrectable, pending, failed)
    {
        r.known.gpu.row_remapping = Some(RowRemapping {
            correctable,
            uncorrectable,
            pending: pending != 0,
            failed: failed != 0,
        });
    }
    r.known.gpu.recovery_action = r.small_field("NVML_FI_DEV_GET_GPU_RECOVERY_ACTION", 4);
    r.known.gpu.memory_temperature_celsius = r.small_field("NVML_FI_DEV_MEMORY_TEMP", 5);
    let single_bit = r.small_field("NVML_FI_DEV_RETIRED_SBE", 6);
    let double_bit = r.small_field("NVML_FI_DEV_RETIRED_DBE", 7);
    let pending = r.small_field("NVML_FI_DEV_RETIRED_PENDING", 8);
    if let (Some(single_bit), Some(double_bit), Some(pending)) = (single_bit, double_bit, pending) {
        r.known.gpu.retired_pages = Some(RetiredPages {
            single_bit,
            double_bit,
            pending: pending != 0,
        });
    }
    if r.known.links.is_none() {
        r.known.links = r.small_field("NVML_FI_DEV_NVLINK_LINK_COUNT", 9);
    }
}
