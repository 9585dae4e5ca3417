//! Sizes of NVIDIA's structs, and field values by their types.

use super::*;

#[test]
fn struct_versions_are_those_of_nvidias_header() {
    // `sizeof` on 64-bit Linux of the structs of nvml.h (go-nvml v0.13.4-0), measured with gcc 12.
    assert_eq!(version::<nvmlMarginTemperature_v1_t>(1), 8 | 1 << 24);
    assert_eq!(version::<nvmlEccSramErrorStatus_v1_t>(1), 104 + (1 << 24));
    assert_eq!(version::<nvmlGpuFabricInfo_v2_t>(2), 36 + (2 << 24));
    assert_eq!(version::<nvmlGpuFabricInfo_v3_t>(3), 40 + (3 << 24));
    assert_eq!(size_of::<nvmlFieldValue_t>(), 40);
    assert_eq!(size_of::<nvmlEventData_t>(), 32);
}

#[test]
fn a_field_is_read_by_its_own_type_and_only_after_its_own_success() {
    let field = |kind, fill: &dyn Fn(&mut nvmlFieldValue_t)| {
        let mut field: nvmlFieldValue_t = zeroed();
        field.valueType = kind;
        fill(&mut field);
        Fields(vec![field]).value(0)
    };
    let double = bindings::nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE;
    let signed = bindings::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG;
    assert_eq!(field(double, &|f| f.value.dVal = f64::NAN).unwrap(), u64::MAX);
    assert_eq!(field(double, &|f| f.value.dVal = 3.0).unwrap(), 3);
    assert_eq!(field(signed, &|f| f.value.sllVal = -1).unwrap(), u64::MAX);
    assert!(matches!(
        field(signed, &|f| f.nvmlReturn = 3),
        Err(NvmlError::NotSupported)
    ));
    assert!(matches!(field(99, &|_| ()), Err(NvmlError::UnexpectedVariant(99))));
    assert!(matches!(Fields::default().value(0), Err(NvmlError::NoData)));
}
