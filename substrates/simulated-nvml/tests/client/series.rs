//! Values that change with time, calls that take time.

use std::time::{Duration, Instant};

use nvidia_ml::scenario::{Latency, Ramp, Series};
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;

use crate::installed::{Installed, two_h100};
use crate::raw::Raw;

#[test]
fn a_ramp_moves_while_a_client_runs_and_ends_where_it_says() {
    let mut scenario = two_h100();
    scenario.gpus[0].temperature_celsius = Some(Series::Ramp(Ramp {
        ramp: (60, 95),
        seconds: 2,
    }));
    scenario.gpus[1].clocks_event_reasons = Some(Series::Steps(vec![(0, 1), (1, 64)]));
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let raw = Raw::open(&installed);
    let (since, mut seen) = (Instant::now(), Vec::new());
    while seen.last() != Some(&(95, 64)) && since.elapsed() < Duration::from_secs(30) {
        seen.push((
            gpu.temperature(TemperatureSensor::Gpu).unwrap(),
            raw.clocks_event_reasons(1).unwrap(),
        ));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(seen.last(), Some(&(95, 64)), "{seen:?}");
    assert!(seen.is_sorted_by_key(|(celsius, _)| *celsius), "{seen:?}");
    assert!(seen.iter().any(|(celsius, _)| (61..95).contains(celsius)), "{seen:?}");
    installed.set(&two_h100());
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 34);
}

#[test]
fn a_call_takes_its_time_and_no_processor() {
    let mut scenario = two_h100();
    scenario.latency = Some(Latency {
        microseconds: 0,
        calls: [("nvmlDeviceGetPowerUsage".to_owned().try_into().unwrap(), 20_000)].into(),
    });
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let since = Instant::now();
    for _ in 0..10 {
        gpu.power_usage().unwrap();
    }
    assert!(since.elapsed() >= Duration::from_millis(200), "{:?}", since.elapsed());
    scenario.latency = None;
    installed.set(&scenario);
    let since = Instant::now();
    gpu.power_usage().unwrap();
    assert!(
        since.elapsed() < Duration::from_millis(20),
        "gone while the client runs"
    );
}
