//! What a GPU is. Called by [`super::Reader`] only.

use super::Reading;
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::TemperatureThreshold;
use nvml_wrapper::enums::device::DeviceArchitecture;

/// The UUID in every pass, the rest until it was read once without a failure: none of it changes while the driver is loaded.
pub(super) fn read(r: &mut Reading<'_>) {
    let uuid = r.call("nvmlDeviceGetUUID", Device::uuid);
    if uuid.is_none() && r.known.gpu.uuid.is_some() {
        return;
    }
    if r.known.identified && uuid == r.known.gpu.uuid {
        return;
    }
    *r.known = super::Known {
        gpu: bedplate_protocol::facts::GpuFacts {
            index: r.known.gpu.index,
            uuid,
            errors: std::mem::take(&mut r.known.gpu.errors),
            ..Default::default()
        },
        ..Default::default()
    };
    r.known.gpu.name = r.call("nvmlDeviceGetName", Device::name);
    r.known.gpu.serial = r.call("nvmlDeviceGetSerial", Device::serial);
    // A GPU is function 0 of its device; NVML's own text has an eight-digit domain, sysfs four.
    r.known.gpu.pci_address = r.call("nvmlDeviceGetPciInfo_v3", |device| {
        device
            .pci_info()
            .map(|pci| format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device))
    });
    r.known.gpu.minor = r.call("nvmlDeviceGetMinorNumber", Device::minor_number);
    r.known.gpu.architecture = r
        .call("nvmlDeviceGetArchitecture", Device::architecture)
        .and_then(|architecture| match architecture {
            DeviceArchitecture::Unknown => None,
            known => Some(format!("{known:?}").to_lowercase()),
        });
    r.known.gpu.compute_capability = r.call("nvmlDeviceGetCudaComputeCapability", |device| {
        device
            .cuda_compute_capability()
            .map(|version| format!("{}.{}", version.major, version.minor))
    });
    r.known.gpu.vbios_version = r.newer("nvmlDeviceGetVbiosVersion", Device::vbios_version);
    r.known.gpu.pcie_max_generation = r.call("nvmlDeviceGetMaxPcieLinkGeneration", Device::max_pcie_link_gen);
    r.known.gpu.pcie_max_width = r.call("nvmlDeviceGetMaxPcieLinkWidth", Device::max_pcie_link_width);
    let threshold = "nvmlDeviceGetTemperatureThreshold";
    r.known.gpu.temperature_slowdown_celsius = r.newer(threshold, |device| {
        device.temperature_threshold(TemperatureThreshold::Slowdown)
    });
    r.known.gpu.temperature_shutdown_celsius = r.newer(threshold, |device| {
        device.temperature_threshold(TemperatureThreshold::Shutdown)
    });
    r.known.gpu.memory_temperature_max_celsius = r.newer(threshold, |device| {
        device.temperature_threshold(TemperatureThreshold::MemoryMax)
    });
    r.known.identified = r.known.gpu.errors.is_empty();
}
