//! What a failed NVML call means for a value. Called by the worker's side of [`crate::gpu`] only.

use bedplate_protocol::facts::NvmlCallError;
use nvml_wrapper::error::NvmlError;

/// Whether the value cannot be had from this product or this driver at all: that is no failure.
pub(super) fn is_unsupported(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::NotSupported | NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_)
    )
}

/// The same for calls and fields that came with later drivers. An older library answers an id or a struct version that it does
/// not know with an invalid argument or a version mismatch; ours are right, so that can mean nothing else.
pub(super) fn is_unknown(error: &NvmlError) -> bool {
    is_unsupported(error)
        || matches!(error, NvmlError::InvalidArg | NvmlError::NoData)
        || matches!(error, NvmlError::UnexpectedVariant(code) if *code == super::raw::VERSION_MISMATCH)
}

/// The failure as a fact.
pub(super) fn failure(call: &str, error: &NvmlError) -> NvmlCallError {
    NvmlCallError {
        call: call.to_owned(),
        code: code(error),
        detail: error.to_string(),
    }
}

/// NVML's return code (nvml.h, `nvmlReturn_t`); absent for what never reached the library.
pub(super) fn code(error: &NvmlError) -> Option<i32> {
    Some(match error {
        NvmlError::Uninitialized => 1,
        NvmlError::InvalidArg => 2,
        NvmlError::NotSupported => 3,
        NvmlError::NoPermission => 4,
        NvmlError::NotFound => 6,
        NvmlError::InsufficientSize(_) => 7,
        NvmlError::InsufficientPower => 8,
        NvmlError::DriverNotLoaded => 9,
        NvmlError::Timeout => 10,
        NvmlError::IrqIssue => 11,
        NvmlError::LibraryNotFound => 12,
        NvmlError::FunctionNotFound => 13,
        NvmlError::CorruptedInfoROM => 14,
        NvmlError::GpuLost => GPU_IS_LOST,
        NvmlError::ResetRequired => RESET_REQUIRED,
        NvmlError::OperatingSystem => 17,
        NvmlError::LibRmVersionMismatch => 18,
        NvmlError::InUse => 19,
        NvmlError::InsufficientMemory => 20,
        NvmlError::NoData => 21,
        NvmlError::VgpuEccNotSupported => 22,
        NvmlError::Unknown => 999,
        NvmlError::UnexpectedVariant(number) => return i32::try_from(*number).ok(),
        _ => return None,
    })
}

/// `NVML_ERROR_GPU_IS_LOST`.
pub(super) const GPU_IS_LOST: i32 = 15;
/// `NVML_ERROR_RESET_REQUIRED`.
pub(super) const RESET_REQUIRED: i32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_version_that_the_library_does_not_know_makes_a_value_absent_and_a_lost_gpu_does_not() {
        assert!(is_unknown(&NvmlError::from(25)));
        assert!(is_unknown(&NvmlError::from(2)));
        assert!(!is_unsupported(&NvmlError::from(2)));
        assert!(!is_unknown(&NvmlError::from(15)));
        assert_eq!(code(&NvmlError::from(28)), Some(28));
    }
}
