//! How a GPU is at the moment: heat, power, clocks, who uses it. Called by [`super::Reader`] only.

use super::Reading;
use crate::gpu::raw;
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, PerformanceState, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use std::time::{Duration, Instant};

/// How long a validation of the infoROM holds: it reads flash memory, which is no work for every pass.
const VALIDATION: Duration = Duration::from_hours(1);

pub(super) fn read(r: &mut Reading<'_>) {
    r.known.gpu.persistence_mode = r.newer("nvmlDeviceGetPersistenceMode", Device::is_in_persistent_mode);
    r.known.gpu.temperature_celsius = r.call("nvmlDeviceGetTemperature", |device| {
        device.temperature(TemperatureSensor::Gpu)
    });
    r.known.gpu.temperature_margin_celsius = r.newer("nvmlDeviceGetMarginTemperature", |device| {
        raw::margin_temperature(device)
    });
    r.known.gpu.power_usage_milliwatts = r.call("nvmlDeviceGetPowerUsage", Device::power_usage);
    r.known.gpu.power_limit_milliwatts = r.call("nvmlDeviceGetEnforcedPowerLimit", Device::enforced_power_limit);
    r.known.gpu.energy_millijoules = r.newer("nvmlDeviceGetTotalEnergyConsumption", Device::total_energy_consumption);
    r.known.gpu.clock_event_reasons = r.newer("nvmlDeviceGetCurrentClocksEventReasons", |device| {
        raw::clocks_event_reasons(device)
    });
    r.known.gpu.sm_clock_mhz = r.newer("nvmlDeviceGetClockInfo", |device| device.clock_info(Clock::SM));
    r.known.gpu.memory_clock_mhz = r.newer("nvmlDeviceGetClockInfo", |device| device.clock_info(Clock::Memory));
    r.known.gpu.performance_state = r
        .newer("nvmlDeviceGetPerformanceState", Device::performance_state)
        .and_then(number);
    let utilization = r.newer("nvmlDeviceGetUtilizationRates", Device::utilization_rates);
    r.known.gpu.utilization_gpu_percent = utilization.as_ref().map(|rates| rates.gpu);
    r.known.gpu.utilization_memory_percent = utilization.map(|rates| rates.memory);
    r.known.gpu.compute_processes = r
        .call("nvmlDeviceGetComputeRunningProcesses_v3", processes)
        .unwrap_or_default()
        .iter()
        .map(|process| process.pid)
        .collect();
    inforom(r);
}

/// nvml-wrapper asks for the number and then for the processes; many that started between the two do not fit.
fn processes(device: &Device<'_>) -> Result<Vec<ProcessInfo>, NvmlError> {
    match device.running_compute_processes() {
        Err(NvmlError::InsufficientSize(_)) => device.running_compute_processes(),
        answer => answer,
    }
}

fn inforom(r: &mut Reading<'_>) {
    if r.known.validated.is_some_and(|last| last.elapsed() < VALIDATION) {
        return;
    }
    r.known.gpu.inforom_valid = r.newer("nvmlDeviceValidateInforom", |device| match device.validate_info_rom() {
        Ok(()) => Ok(true),
        Err(NvmlError::CorruptedInfoROM) => Ok(false),
        Err(error) => Err(error),
    });
    r.known.validated = (!r.lost).then(Instant::now);
}

/// The N of `P<N>`.
fn number(state: PerformanceState) -> Option<u32> {
    Some(match state {
        PerformanceState::Zero => 0,
        PerformanceState::One => 1,
        PerformanceState::Two => 2,
        PerformanceState::Three => 3,
        PerformanceState::Four => 4,
        PerformanceState::Five => 5,
        PerformanceState::Six => 6,
        PerformanceState::Seven => 7,
        PerformanceState::Eight => 8,
        PerformanceState::Nine => 9,
        PerformanceState::Ten => 10,
        PerformanceState::Eleven => 11,
        PerformanceState::Twelve => 12,
        PerformanceState::Thirteen => 13,
        PerformanceState::Fourteen => 14,
        PerformanceState::Fifteen => 15,
        PerformanceState::Unknown => return None,
    })
}
