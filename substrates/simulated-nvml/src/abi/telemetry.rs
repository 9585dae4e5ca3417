//! Temperature, power, modes, and the PCIe link.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU as GPU_SENSOR, nvmlUtilization_t,
};

use super::call::{INVALID_ARGUMENT, NOT_SUPPORTED, device};
use super::out::Out;

export! {
    fn nvmlDeviceGetTemperature(gpu: nvmlDevice_t, sensor: c_uint, celsius: Out<c_uint>) {
        device("nvmlDeviceGetTemperature", gpu, |_, _, board| if sensor == GPU_SENSOR { celsius.put_known(board.temperature()) } else { Err(INVALID_ARGUMENT) })
    }
    fn nvmlDeviceGetPowerUsage(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetPowerUsage", gpu, |_, _, board| milliwatts.put_known(board.power().map(|power| power.usage_milliwatts)))
    }
    fn nvmlDeviceGetEnforcedPowerLimit(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetEnforcedPowerLimit", gpu, |_, _, board| milliwatts.put_known(board.power().map(|power| power.limit_milliwatts)))
    }
    fn nvmlDeviceGetPowerManagementLimit(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetPowerManagementLimit", gpu, |_, _, board| milliwatts.put_known(board.power().map(|power| power.limit_milliwatts)))
    }
    fn nvmlDeviceGetPowerManagementDefaultLimit(gpu: nvmlDevice_t, milliwatts: Out<c_uint>) {
        device("nvmlDeviceGetPowerManagementDefaultLimit", gpu, |_, _, board| milliwatts.put_known(board.profile.power_limit_milliwatts))
    }
    fn nvmlDeviceGetPowerManagementLimitConstraints(gpu: nvmlDevice_t, least: Out<c_uint>, greatest: Out<c_uint>) {
        device("nvmlDeviceGetPowerManagementLimitConstraints", gpu, |_, _, board| {
            let range = board.profile.power_limit_range_milliwatts.ok_or(NOT_SUPPORTED)?;
            least.put(range.0)?;
            greatest.put(range.1)
        })
    }
    fn nvmlDeviceGetUtilizationRates(gpu: nvmlDevice_t, rates: Out<nvmlUtilization_t>) {
        // Nothing ever computes on these.
        device("nvmlDeviceGetUtilizationRates", gpu, |_, _, _| rates.put(nvmlUtilization_t { gpu: 0, memory: 0 }))
    }
    fn nvmlDeviceGetComputeMode(gpu: nvmlDevice_t, mode: Out<c_uint>) {
        // NVML_COMPUTEMODE_DEFAULT, as every capture in the profiles has it.
        device("nvmlDeviceGetComputeMode", gpu, |_, _, _| mode.put(0))
    }
    fn nvmlDeviceGetPersistenceMode(gpu: nvmlDevice_t, mode: Out<c_uint>) {
        device("nvmlDeviceGetPersistenceMode", gpu, |_, _, board| mode.put_known(board.profile.persistence_mode.map(c_uint::from)))
    }
    fn nvmlDeviceGetCurrPcieLinkGeneration(gpu: nvmlDevice_t, generation: Out<c_uint>) {
        device("nvmlDeviceGetCurrPcieLinkGeneration", gpu, |_, _, board| generation.put_known(board.pcie_generation()))
    }
    fn nvmlDeviceGetCurrPcieLinkWidth(gpu: nvmlDevice_t, lanes: Out<c_uint>) {
        device("nvmlDeviceGetCurrPcieLinkWidth", gpu, |_, _, board| lanes.put_known(board.pcie_width()))
    }
    fn nvmlDeviceGetMaxPcieLinkGeneration(gpu: nvmlDevice_t, generation: Out<c_uint>) {
        device("nvmlDeviceGetMaxPcieLinkGeneration", gpu, |_, _, board| generation.put_known(board.profile.pcie_generation))
    }
    fn nvmlDeviceGetMaxPcieLinkWidth(gpu: nvmlDevice_t, lanes: Out<c_uint>) {
        device("nvmlDeviceGetMaxPcieLinkWidth", gpu, |_, _, board| lanes.put_known(board.profile.pcie_width))
    }
}
