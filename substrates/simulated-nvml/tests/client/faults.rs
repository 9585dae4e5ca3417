//! A driver that does not start, GPUs that are lost, calls that do not come back.

use std::time::{Duration, Instant};

use nvidia_ml::scenario::{Forever, Hang, HangTime, InitFailure};
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;

use crate::installed::{Installed, VERSION, two_h100};

#[test]
fn a_running_client_sees_the_scenario_change_and_loses_its_gpu() {
    let mut scenario = two_h100();
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 34);
    scenario.gpus[0].temperature_celsius = Some(88.into());
    installed.set(&scenario);
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 88);

    scenario.gpus[0].lost = true;
    installed.set(&scenario);
    assert!(
        matches!(gpu.temperature(TemperatureSensor::Gpu), Err(NvmlError::GpuLost)),
        "its handle"
    );
    assert!(
        matches!(nvml.device_by_index(0), Err(NvmlError::GpuLost)),
        "finding it again"
    );
    assert_eq!(nvml.device_count().unwrap(), 2, "it still counts");
    assert_eq!(
        nvml.device_by_index(1).unwrap().minor_number().unwrap(),
        1,
        "the other one is well"
    );
}

#[test]
fn half_an_edit_leaves_the_last_good_scenario_in_force() {
    let installed = Installed::with(&two_h100());
    let nvml = installed.init().unwrap();
    std::fs::write(
        installed
            .directory
            .path()
            .join(format!("libnvidia-ml-scenario.so.{VERSION}")),
        "driver_version: 580\ngpus: [",
    )
    .unwrap();
    assert_eq!(nvml.device_count().unwrap(), 2);
}

#[test]
fn init_fails_with_the_code_of_the_scenario_and_without_a_scenario_as_without_a_driver() {
    let mut scenario = two_h100();
    scenario.init = Some(InitFailure { code: 18 });
    let installed = Installed::with(&scenario);
    assert!(matches!(installed.init(), Err(NvmlError::LibRmVersionMismatch)));
    scenario.init = None;
    installed.set(&scenario);
    installed.init().unwrap();

    let bare = Installed::with(&scenario);
    std::fs::remove_file(
        bare.directory
            .path()
            .join(format!("libnvidia-ml-scenario.so.{VERSION}")),
    )
    .unwrap();
    assert!(matches!(bare.init(), Err(NvmlError::DriverNotLoaded)));
}

#[test]
fn a_call_hangs_for_its_seconds_and_only_that_call() {
    let mut scenario = two_h100();
    scenario.gpus[0].hang = Some(Hang {
        call: "nvmlDeviceGetTemperature".to_owned().try_into().unwrap(),
        seconds: HangTime::For(1),
    });
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let since = Instant::now();
    gpu.name().unwrap();
    assert!(since.elapsed() < Duration::from_secs(1));
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 34);
    assert!(
        since.elapsed() >= Duration::from_secs(1),
        "came back after {:?}",
        since.elapsed()
    );
}

#[test]
fn a_call_that_hangs_for_ever_comes_back_when_the_scenario_says_so() {
    let mut scenario = two_h100();
    scenario.gpus[1].hang = Some(Hang {
        call: "nvmlDeviceGetPowerUsage".to_owned().try_into().unwrap(),
        seconds: HangTime::Always(Forever::Forever),
    });
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    std::thread::scope(|scope| {
        let (done, finished) = std::sync::mpsc::channel();
        let nvml = &nvml;
        scope.spawn(move || done.send(nvml.device_by_index(1).unwrap().power_usage()));
        assert!(finished.recv_timeout(Duration::from_millis(500)).is_err(), "it hangs");
        scenario.gpus[1].hang = None;
        installed.set(&scenario);
        assert_eq!(finished.recv_timeout(Duration::from_secs(10)).unwrap().unwrap(), 95_000);
    });
}
