//! Field values. The call succeeds; each field has a return code of its own.

use std::ffi::c_int;
use std::time::{SystemTime, UNIX_EPOCH};

use nvml_wrapper_sys::bindings::{self, field_id, nvmlDevice_t, nvmlFieldValue_t, nvmlValue_t};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, SUCCESS, device};
use super::out::Out;
use crate::board::Board;

/// A field's value, in the type that nvml.h gives the field.
enum Value {
    Word(u32),
    Long(u64),
}

fn value(field: u32, board: Board<'_>) -> Option<Value> {
    let rows = board.row_remapping();
    let counters = board.ecc().filter(|ecc| ecc.enabled);
    match field {
        field_id::NVML_FI_DEV_ECC_CURRENT | field_id::NVML_FI_DEV_ECC_PENDING => {
            board.ecc().map(|ecc| Value::Word(ecc.enabled.into()))
        }
        field_id::NVML_FI_DEV_ECC_SBE_VOL_TOTAL => counters.map(|ecc| Value::Long(ecc.corrected_volatile)),
        field_id::NVML_FI_DEV_ECC_DBE_VOL_TOTAL => counters.map(|ecc| Value::Long(ecc.uncorrected_volatile)),
        field_id::NVML_FI_DEV_REMAPPED_COR => rows.map(|rows| Value::Word(rows.correctable)),
        field_id::NVML_FI_DEV_REMAPPED_UNC => rows.map(|rows| Value::Word(rows.uncorrectable)),
        field_id::NVML_FI_DEV_REMAPPED_PENDING => rows.map(|rows| Value::Word(rows.pending.into())),
        field_id::NVML_FI_DEV_REMAPPED_FAILURE => rows.map(|rows| Value::Word(rows.failed.into())),
        field_id::NVML_FI_DEV_POWER_INSTANT => board.power().map(|power| Value::Word(power.usage_milliwatts)),
        field_id::NVML_FI_DEV_POWER_CURRENT_LIMIT => board.power().map(|power| Value::Word(power.limit_milliwatts)),
        field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION => board.recovery_action().map(Value::Word),
        _ => None,
    }
}

export! {
    fn nvmlDeviceGetFieldValues(gpu: nvmlDevice_t, count: c_int, values: Out<nvmlFieldValue_t>) {
        device("nvmlDeviceGetFieldValues", gpu, |_, _, board| {
            let count = usize::try_from(count).map_err(|_| INVALID_ARGUMENT)?;
            // "CPU Timestamp of this value in microseconds since 1970" (nvml.h).
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
            for position in 0..count {
                let mut field = values.get_at(position)?;
                (field.timestamp, field.latencyUsec) = (now, 0);
                match value(field.fieldId, board) {
                    Some(Value::Word(word)) => {
                        field.valueType = bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT;
                        field.value = nvmlValue_t { ullVal: word.into() };
                        field.nvmlReturn = SUCCESS;
                    }
                    Some(Value::Long(long)) => {
                        field.valueType = bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
                        field.value = nvmlValue_t { ullVal: long };
                        field.nvmlReturn = SUCCESS;
                    }
                    None => field.nvmlReturn = NOT_SUPPORTED,
                }
                values.put_at(position, field)?;
            }
            Ok(())
        })
    }
}
