//! Temperature, power, modes, utilisation, and the PCIe link.

use std::ffi::{c_int, c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    self as nvml, nvmlDevice_t, nvmlMarginTemperature_v1_t, nvmlTemperature_v1_t,
    nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU as GPU_SENSOR, nvmlUtilization_t,
};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, device, known};
use super::out::Out;

export! {
    fn nvmlDeviceGetTemperature(gpu: nvmlDevice_t, sensor: c_uint, celsius: Out<c_uint>) {
        device("nvmlDeviceGetTemperature", gpu, &|_, _, board| if sensor == GPU_SENSOR { celsius.put_known(board.temperature()) } else { Err(INVALID_ARGUMENT) })
    }
    fn nvmlDeviceGetTemperatureV(gpu: nvmlDevice_t, reading: Out<nvmlTemperature_v1_t>) {
        device("nvmlDeviceGetTemperatureV", gpu, &|_, _, board| {
            let version = reading.expect_version(1)?;
            let sensorType = reading.get()?.sensorType;
            if sensorType != GPU_SENSOR {
                return Err(INVALID_ARGUMENT);
            }
            let temperature = c_int::try_from(board.temperature().ok_or(NOT_SUPPORTED)?).unwrap_or(c_int::MAX);
            reading.put(nvmlTemperature_v1_t { version, sensorType, temperature })
        })
    }
    fn nvmlDeviceGetTemperatureThreshold(gpu: nvmlDevice_t, kind: c_uint, celsius: Out<c_uint>) {
        device("nvmlDeviceGetTemperatureThreshold", gpu, &|_, _, board| {
            let thresholds = board.thresholds();
            celsius.put_known(match kind {
                nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SHUTDOWN => thresholds.shutdown,
                nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SLOWDOWN => thresholds.slowdown,
                nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_MEM_MAX => thresholds.memory_max,
                nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_GPU_MAX => thresholds.gpu_max,
                // The acoustic ones have no place in a scenario.
                known if known < nvml::nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_COUNT => None,
                _ => return Err(INVALID_ARGUMENT),
            })
        })
    }
    fn nvmlDeviceGetMarginTemperature(gpu: nvmlDevice_t, margin: Out<nvmlMarginTemperature_v1_t>) {
        device("nvmlDeviceGetMarginTemperature", gpu, &|scenario, _, board| {
            known(scenario, "nvmlDeviceGetMarginTemperature", &margin)?;
            let version = margin.expect_version(1)?;
            margin.put(nvmlMarginTemperature_v1_t { version, marginTemperature: board.margin().ok_or(NOT_SUPPORTED)? })
        })
    }
    fn nvmlDeviceGetPowerUsage(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetPowerUsage", gpu, &|_, _, board| milliwatts.put_known(board.power_usage()))
    }
    fn nvmlDeviceGetEnforcedPowerLimit(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetEnforcedPowerLimit", gpu, &|_, _, board| milliwatts.put_known(board.power_limit()))
    }
    fn nvmlDeviceGetPowerManagementLimit(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetPowerManagementLimit", gpu, &|_, _, board| milliwatts.put_known(board.power_limit()))
    }
    fn nvmlDeviceGetPowerManagementDefaultLimit(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetPowerManagementDefaultLimit", gpu, &|_, _, board| milliwatts.put_known(board.profile.power_limit_milliwatts))
    }
    fn nvmlDeviceGetPowerManagementLimitConstraints(gpu: nvmlDevice_t, least: Out<c_uint>, greatest: Out<c_uint>) {
        device("nvmlDeviceGetPowerManagementLimitConstraints", gpu, &|_, _, board| {
            let range = board.profile.power_limit_range_milliwatts.ok_or(NOT_SUPPORTED)?;
            least.put(range.0)?;
            greatest.put(range.1)
        })
    }
    fn nvmlDeviceGetTotalEnergyConsumption(gpu: nvmlDevice_t, millijoules: Out<c_ulonglong>) {
        device("nvmlDeviceGetTotalEnergyConsumption", gpu, &|_, _, board| millijoules.put_known(board.energy()))
    }
    fn nvmlDeviceGetUtilizationRates(gpu: nvmlDevice_t, rates: Out<nvmlUtilization_t>) {
        device("nvmlDeviceGetUtilizationRates", gpu, &|_, _, board| {
            let (gpu, memory) = board.utilization();
            rates.put(nvmlUtilization_t { gpu, memory })
        })
    }
    fn nvmlDeviceGetComputeMode(gpu: nvmlDevice_t, mode: Out<c_uint>) {
        // NVML_COMPUTEMODE_DEFAULT, as every capture in the profiles has it.
        device("nvmlDeviceGetComputeMode", gpu, &|_, _, _| mode.put(0))
    }
    fn nvmlDeviceGetPersistenceMode(gpu: nvmlDevice_t, mode: Out<c_uint>) {
        device("nvmlDeviceGetPersistenceMode", gpu, &|_, _, board| mode.put_known(board.persistence_mode().map(c_uint::from)))
    }
    fn nvmlDeviceGetCurrPcieLinkGeneration(gpu: nvmlDevice_t, generation: Out<c_uint>) {
        device("nvmlDeviceGetCurrPcieLinkGeneration", gpu, &|_, _, board| generation.put_known(board.pcie_generation()))
    }
    fn nvmlDeviceGetCurrPcieLinkWidth(gpu: nvmlDevice_t, lanes: Out<c_uint>) {
        device("nvmlDeviceGetCurrPcieLinkWidth", gpu, &|_, _, board| lanes.put_known(board.pcie_width()))
    }
    fn nvmlDeviceGetMaxPcieLinkGeneration(gpu: nvmlDevice_t, generation: Out<c_uint>) {
        device("nvmlDeviceGetMaxPcieLinkGeneration", gpu, &|_, _, board| generation.put_known(board.profile.pcie_generation))
    }
    fn nvmlDeviceGetMaxPcieLinkWidth(gpu: nvmlDevice_t, lanes: Out<c_uint>) {
        device("nvmlDeviceGetMaxPcieLinkWidth", gpu, &|_, _, board| lanes.put_known(board.profile.pcie_width))
    }
    fn nvmlDeviceGetPcieReplayCounter(gpu: nvmlDevice_t, replays: Out<c_uint>) {
        device("nvmlDeviceGetPcieReplayCounter", gpu, &|_, _, board| replays.put(board.pcie_replays()))
    }
}
