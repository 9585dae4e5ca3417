//! What a client reads of a scenario.

use nvidia_ml::Scenario;
use nvidia_ml::profiles::ProfileName;
use nvidia_ml::scenario::{Ecc, PcieLink, Power, Process, RowRemapping};
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION;

use crate::installed::{Installed, VERSION, two_h100};

#[test]
fn the_facts_of_a_scenario_are_read_back() {
    let mut scenario = two_h100();
    let sick = &mut scenario.gpus[1];
    sick.temperature_celsius = Some(91.into());
    sick.power = Some(Power {
        usage_milliwatts: 612_000.into(),
        limit_milliwatts: 650_000,
    });
    sick.ecc = Some(Ecc {
        corrected_volatile: 3.into(),
        uncorrected_volatile: 2.into(),
        ..Ecc::clean(true)
    });
    sick.row_remapping = Some(RowRemapping {
        correctable: 1,
        uncorrectable: 4,
        pending: true,
        failed: false,
        spare_rows: None,
    });
    sick.pcie = Some(PcieLink {
        generation: 3,
        width: 8,
    });
    sick.recovery_action = Some(1.into());
    sick.processes = vec![Process {
        pid: 4711,
        memory_mib: 1024,
    }];
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();

    assert_eq!(nvml.sys_driver_version().unwrap(), VERSION);
    assert_eq!(nvml.sys_nvml_version().unwrap(), "13.580.95.05");
    assert_eq!(nvml.sys_cuda_driver_version().unwrap(), 13_000);
    assert_eq!(nvml.device_count().unwrap(), 2);

    let gpu = nvml.device_by_index(1).unwrap();
    assert_eq!(gpu.name().unwrap(), "NVIDIA H100 80GB HBM3");
    assert_eq!(Some(gpu.uuid().unwrap()), scenario.gpus[1].uuid);
    assert_eq!(Some(gpu.serial().unwrap()), scenario.gpus[1].serial);
    assert_eq!(gpu.minor_number().unwrap(), 1);
    assert_eq!(gpu.index().unwrap(), 1);
    assert_eq!(format!("{:?}", gpu.architecture().unwrap()), "Hopper");
    let capability = gpu.cuda_compute_capability().unwrap();
    assert_eq!((capability.major, capability.minor), (9, 0));
    let pci = gpu.pci_info().unwrap();
    assert_eq!(
        (pci.bus_id.as_str(), pci.pci_device_id, pci.pci_sub_system_id),
        ("00000000:20:00.0", 0x2330_10de, Some(0x16c1_10de))
    );
    let memory = gpu.memory_info().unwrap();
    assert_eq!((memory.total, memory.used), (81_559 << 20, 1024 << 20));
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 91);
    assert_eq!(
        (gpu.power_usage().unwrap(), gpu.enforced_power_limit().unwrap()),
        (612_000, 650_000)
    );
    assert!(gpu.is_ecc_enabled().unwrap().currently_enabled);
    assert_eq!(
        gpu.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)
            .unwrap(),
        2
    );
    assert_eq!(
        (
            gpu.current_pcie_link_gen().unwrap(),
            gpu.current_pcie_link_width().unwrap()
        ),
        (3, 8)
    );
    assert_eq!(
        (gpu.max_pcie_link_gen().unwrap(), gpu.max_pcie_link_width().unwrap()),
        (5, 16)
    );
    assert_eq!(gpu.mig_mode().unwrap().current, 0);
    assert_eq!(
        gpu.running_compute_processes()
            .unwrap()
            .iter()
            .map(|process| process.pid)
            .collect::<Vec<_>>(),
        [4711]
    );
    let fields = gpu
        .field_values_for(&[FieldId(NVML_FI_DEV_GET_GPU_RECOVERY_ACTION), FieldId(143), FieldId(250)])
        .unwrap();
    let values: Vec<_> = fields
        .into_iter()
        .map(|field| field.and_then(|field| field.value))
        .collect();
    assert!(
        matches!(values[0], Ok(SampleValue::U32(1))),
        "recovery action: {:?}",
        values[0]
    );
    assert!(
        matches!(values[1], Ok(SampleValue::U32(4))),
        "rows remapped because of uncorrectable errors: {:?}",
        values[1]
    );
    assert!(
        matches!(values[2], Err(NvmlError::NotSupported)),
        "a field without a source: {:?}",
        values[2]
    );
    assert_eq!(
        nvml.device_by_uuid(scenario.gpus[0].uuid.clone().unwrap())
            .unwrap()
            .index()
            .unwrap(),
        0
    );
    assert_eq!(nvml.device_by_pci_bus_id("0000:20:00.0").unwrap().index().unwrap(), 1);
}

#[test]
fn what_a_profile_has_no_source_for_is_not_supported() {
    let installed = Installed::with(&Scenario::for_host(
        "gpu-3",
        VERSION,
        "13.0",
        &[(ProfileName::Rtx4000SffAda, 1)],
    ));
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.name().unwrap(), "NVIDIA RTX 4000 SFF Ada Generation");
    assert!(!gpu.is_ecc_enabled().unwrap().currently_enabled);
    assert!(matches!(
        gpu.total_ecc_errors(MemoryError::Corrected, EccCounter::Volatile),
        Err(NvmlError::NotSupported)
    ));
    assert!(matches!(gpu.serial(), Err(NvmlError::NotSupported)));
    assert!(matches!(gpu.mig_mode(), Err(NvmlError::NotSupported)));
    assert!(matches!(gpu.brand(), Err(NvmlError::NotSupported)));
}
