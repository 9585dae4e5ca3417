//! Fields of `NVLink`. Called by `fields` only.

use nvml_wrapper_sys::bindings::field_id;

use super::Value;
use crate::abi::call::NOT_SUPPORTED;
use crate::abi::nvlink;
use crate::board::Board;

/// The error counters that older fields have one of for each link: the fields of links 0 to 5 and of all links together, of links 6 to 11,
/// and the counter (its place among `Link::errors`).
const PER_LINK: [(u32, u32, usize); 4] = [
    (
        field_id::NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L0,
        field_id::NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L6,
        2,
    ),
    (
        field_id::NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_L0,
        field_id::NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_L6,
        3,
    ),
    (
        field_id::NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L0,
        field_id::NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L6,
        0,
    ),
    (
        field_id::NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L0,
        field_id::NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L6,
        1,
    ),
];

/// The field's answer; `None` where it is no field of a link.
pub(super) fn value(field: u32, scope: u32, board: Board<'_>) -> Option<Result<Value, u32>> {
    let counter =
        |number: u32, counter: usize| nvlink::link(board, number).map(|link| Value::Long(link.errors[counter]));
    let count = board.link_count();
    Some(match field {
        field_id::NVML_FI_DEV_NVLINK_LINK_COUNT => match count {
            Some(count) => Ok(Value::Word(u32::try_from(count).unwrap_or(u32::MAX))),
            None => Err(NOT_SUPPORTED),
        },
        field_id::NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY => counter(scope, 0),
        field_id::NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY => counter(scope, 1),
        field_id::NVML_FI_DEV_NVLINK_ERROR_DL_CRC => counter(scope, 2),
        field_id::NVML_FI_DEV_NVLINK_GET_STATE => {
            nvlink::link(board, scope).map(|link| Value::Word(link.active.into()))
        }
        field_id::NVML_FI_DEV_NVLINK_GET_VERSION => {
            nvlink::link(board, scope).and_then(|link| link.version.map(Value::Word).ok_or(NOT_SUPPORTED))
        }
        field_id::NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_L0
            ..=field_id::NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_L11 => {
            counter(field - field_id::NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_L0, 4)
        }
        field_id::NVML_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_TOTAL => total(board, 4),
        _ => {
            let (first, seventh, kind) = PER_LINK.into_iter().find(|(first, seventh, _)| {
                (*first..*first + 7).contains(&field) || (*seventh..*seventh + 6).contains(&field)
            })?;
            match field {
                _ if field == first + 6 => total(board, kind),
                _ if field < first + 6 => counter(field - first, kind),
                _ => counter(field - seventh + 6, kind),
            }
        }
    })
}

/// A counter of all links together.
fn total(board: Board<'_>, counter: usize) -> Result<Value, u32> {
    let count = board.link_count().filter(|count| *count > 0).ok_or(NOT_SUPPORTED)?;
    let links = (0..count).filter_map(|number| board.link(number));
    Ok(Value::Long(
        links.fold(0, |sum, link| link.errors[counter].saturating_add(sum)),
    ))
}
