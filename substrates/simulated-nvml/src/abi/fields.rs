//! Field values. The call succeeds; each field has a return code of its own.

mod ecc;
mod link;

use std::ffi::c_int;
use std::time::{SystemTime, UNIX_EPOCH};

use nvml_wrapper_sys::bindings::{self, field_id, nvmlDevice_t, nvmlFieldValue_t, nvmlValue_t};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, SUCCESS, device};
use super::out::Out;
use crate::board::Board;

/// A field's value, in the type that nvml.h gives the field.
#[derive(Clone, Copy)]
enum Value {
    Word(u32),
    Signed(i32),
    Long(u64),
}

impl Value {
    /// `nvmlValueType_t`, and the union with every other byte zero.
    fn words(self) -> (u32, nvmlValue_t) {
        match self {
            Self::Word(word) => (
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
                nvmlValue_t { ullVal: word.into() },
            ),
            Self::Signed(number) => (
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT,
                nvmlValue_t {
                    ullVal: number.cast_unsigned().into(),
                },
            ),
            Self::Long(long) => (
                bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
                nvmlValue_t { ullVal: long },
            ),
        }
    }
}

/// The value, or the field's return code. `scope` is the number of a link where the field is one of a link.
fn value(field: u32, scope: u32, board: Board<'_>) -> Result<Value, u32> {
    if let Some(code) = board.gpu.field_returns.get(&field).filter(|code| **code != SUCCESS) {
        return Err(*code);
    }
    if let Some(answer) = link::value(field, scope, board) {
        return answer;
    }
    known(field, board)
        .or_else(|| ecc::value(field, board))
        .ok_or(NOT_SUPPORTED)
}

fn known(field: u32, board: Board<'_>) -> Option<Value> {
    let rows = board.row_remapping();
    let pages = board.retired_pages();
    let margins = board.margin_temperatures();
    let count = |list: &[_]| Value::Word(u32::try_from(list.len()).unwrap_or(u32::MAX));
    match field {
        field_id::NVML_FI_DEV_RETIRED_SBE => pages.map(|pages| count(&pages.single_bit)),
        field_id::NVML_FI_DEV_RETIRED_DBE => pages.map(|pages| count(&pages.double_bit)),
        field_id::NVML_FI_DEV_RETIRED_PENDING => pages.map(|pages| Value::Word(pages.pending.into())),
        field_id::NVML_FI_DEV_PERF_POLICY_POWER => board
            .clock_event_time(|times| times.software_power_cap.as_ref())
            .map(Value::Long),
        field_id::NVML_FI_DEV_PERF_POLICY_SYNC_BOOST => board
            .clock_event_time(|times| times.sync_boost.as_ref())
            .map(Value::Long),
        field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN => board
            .clock_event_time(|times| times.software_thermal_slowdown.as_ref())
            .map(Value::Long),
        field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN => board
            .clock_event_time(|times| times.hardware_thermal_slowdown.as_ref())
            .map(Value::Long),
        field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN => board
            .clock_event_time(|times| times.hardware_power_brake.as_ref())
            .map(Value::Long),
        field_id::NVML_FI_DEV_MEMORY_TEMP => board.memory_temperature().map(Value::Word),
        field_id::NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION | field_id::NVML_FI_DEV_ENERGY => {
            board.energy().map(Value::Long)
        }
        field_id::NVML_FI_DEV_PCIE_REPLAY_COUNTER => Some(Value::Word(board.pcie_replays())),
        field_id::NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER => Some(Value::Word(board.pcie_replay_rollovers())),
        field_id::NVML_FI_DEV_REMAPPED_COR => rows.map(|rows| Value::Word(rows.correctable)),
        field_id::NVML_FI_DEV_REMAPPED_UNC => rows.map(|rows| Value::Word(rows.uncorrectable)),
        field_id::NVML_FI_DEV_REMAPPED_PENDING => rows.map(|rows| Value::Word(rows.pending.into())),
        field_id::NVML_FI_DEV_REMAPPED_FAILURE => rows.map(|rows| Value::Word(rows.failed.into())),
        field_id::NVML_FI_DEV_POWER_AVERAGE | field_id::NVML_FI_DEV_POWER_INSTANT => {
            board.power_usage().map(Value::Word)
        }
        field_id::NVML_FI_DEV_POWER_MIN_LIMIT => board
            .profile
            .power_limit_range_milliwatts
            .map(|range| Value::Word(range.0)),
        field_id::NVML_FI_DEV_POWER_MAX_LIMIT => board
            .profile
            .power_limit_range_milliwatts
            .map(|range| Value::Word(range.1)),
        field_id::NVML_FI_DEV_POWER_DEFAULT_LIMIT => board.profile.power_limit_milliwatts.map(Value::Word),
        field_id::NVML_FI_DEV_POWER_CURRENT_LIMIT => board.power_limit().map(Value::Word),
        field_id::NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT => margins.shutdown.map(Value::Signed),
        field_id::NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT => margins.slowdown.map(Value::Signed),
        field_id::NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT => margins.memory_max.map(Value::Signed),
        field_id::NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT => margins.gpu_max.map(Value::Signed),
        field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION => board.recovery_action().map(Value::Word),
        _ => None,
    }
}

export! {
    fn nvmlDeviceGetFieldValues(gpu: nvmlDevice_t, count: c_int, values: Out<nvmlFieldValue_t>) {
        device("nvmlDeviceGetFieldValues", gpu, &|_, _, board| {
            let count = usize::try_from(count).map_err(|_| INVALID_ARGUMENT)?;
            // "CPU Timestamp of this value in microseconds since 1970" (nvml.h).
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
            for position in 0..count {
                let mut field = values.get_at(position)?;
                (field.timestamp, field.latencyUsec) = (now, 0);
                match value(field.fieldId, field.scopeId, board) {
                    Ok(value) => {
                        (field.valueType, field.value) = value.words();
                        field.nvmlReturn = SUCCESS;
                    }
                    Err(code) => field.nvmlReturn = code,
                }
                values.put_at(position, field)?;
            }
            Ok(())
        })
    }
}
