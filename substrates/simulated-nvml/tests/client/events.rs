//! Events that the driver reports.

use nvidia_ml::scenario::{Event, EventKind, Mig, MigDevice};
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;

use crate::installed::{Installed, two_h100};
use crate::raw::Raw;

#[test]
fn an_xid_event_is_delivered_once_to_each_set_that_was_registered_before_it() {
    let mut scenario = two_h100();
    scenario.events = vec![Event::xid(1, 0, 31)];
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let set = || {
        nvml.device_by_index(0)
            .unwrap()
            .register_events(EventTypes::CRITICAL_XID_ERROR, nvml.create_event_set().unwrap())
            .unwrap()
    };
    let sets = [set(), set()];
    scenario.events.push(Event::xid(2, 0, 79));
    scenario.events.push(Event::xid(3, 1, 48));
    installed.set(&scenario);
    for set in &sets {
        let event = set.wait(5000).unwrap();
        assert!(matches!(event.event_data, Some(XidError::Value(79))));
        assert_eq!(event.device.minor_number().unwrap(), 0);
        assert!(
            matches!(set.wait(0), Err(NvmlError::Timeout)),
            "neither twice, nor the one before it, nor another GPU's"
        );
    }
}

#[test]
fn an_event_of_a_newer_kind_arrives_with_its_bit_and_its_word() {
    let mut scenario = two_h100();
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let supported = gpu.supported_event_types().unwrap();
    assert!(supported.contains(EventTypes::CRITICAL_XID_ERROR));
    let raw = Raw::open(&installed);
    let set = raw.event_set(0, EventKind::GpuRecoveryAction.bit() | 8).unwrap();
    scenario.events = vec![Event::other(1, 0, EventKind::GpuRecoveryAction, 2)];
    installed.set(&scenario);
    let event = raw.wait(set, 5000).unwrap();
    assert_eq!(
        (event.eventType, event.eventData),
        (EventKind::GpuRecoveryAction.bit(), 2)
    );
    assert_eq!(raw.wait(set, 0).map(|_| ()).unwrap_err(), 10, "once");
    assert_eq!(raw.event_set(0, 1 << 40).unwrap_err(), 3, "a bit that no event has");
}

#[test]
fn mig_devices_are_counted_found_and_named_and_go_when_mig_is_turned_off() {
    let mut scenario = two_h100();
    let part = |number: u32| MigDevice {
        profile: "1g.10gb".to_owned(),
        uuid: format!("MIG-00000000-0000-0000-0000-00000000000{number}"),
        gpu_instance: 7 + number,
        compute_instance: 0,
        memory_mib: 9_856,
        multiprocessors: 16,
        gpu_slices: 1,
        compute_slices: 1,
    };
    scenario.gpus[0].mig = Some(Mig {
        enabled: true,
        pending: None,
        devices: vec![part(0), part(1)],
    });
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(
        (gpu.mig_mode().unwrap().current, gpu.mig_device_count().unwrap()),
        (1, 7)
    );
    let second = gpu.mig_device_by_index(1).unwrap();
    assert!(second.mig_is_mig_device_handle().unwrap() && !gpu.mig_is_mig_device_handle().unwrap());
    assert_eq!(second.name().unwrap(), "NVIDIA H100 80GB HBM3 MIG 1g.10gb");
    assert_eq!(second.uuid().unwrap(), part(1).uuid);
    let raw = Raw::open(&installed);
    assert_eq!(
        (raw.gpu_instance(raw.mig(0, 1)), raw.gpu_instance(raw.gpu(0))),
        (Ok(8), Err(3)),
        "a MIG device's, and a GPU has none"
    );
    assert_eq!(second.memory_info().unwrap().total, 9_856 << 20);
    assert_eq!(second.mig_parent_device().unwrap().uuid().unwrap(), gpu.uuid().unwrap());
    assert_eq!(nvml.device_by_uuid(part(0).uuid).unwrap().uuid().unwrap(), part(0).uuid);
    assert!(matches!(gpu.mig_device_by_index(2), Err(NvmlError::NotFound)));
    assert!(
        matches!(second.power_usage(), Err(NvmlError::InvalidArg)),
        "a call of GPUs only"
    );
    scenario.gpus[0].mig = None;
    installed.set(&scenario);
    assert!(
        matches!(second.name(), Err(NvmlError::InvalidArg)),
        "a handle of one that is gone"
    );
    assert_eq!(gpu.mig_mode().unwrap().current, 0);
}
