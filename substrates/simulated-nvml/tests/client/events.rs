//! Events that the driver reports.

use nvidia_ml::scenario::Event;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;

use crate::installed::{Installed, two_h100};

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
