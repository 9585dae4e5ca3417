//! Who a GPU is: name, UUID, serial number, minor number, PCI, architecture.

use std::ffi::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlPciInfo_t, nvmlPciInfoExt_v1_t};

use super::call::{NOT_FOUND, NOT_SUPPORTED, VERSION_MISMATCH, device};
use super::out::{Out, fixed};
use crate::board::Board;

fn pci(board: Board<'_>) -> nvmlPciInfo_t {
    let address = board.gpu.pci_address;
    nvmlPciInfo_t {
        busIdLegacy: fixed(&address.legacy_bus_id()),
        domain: address.domain,
        bus: address.bus.into(),
        device: address.device.into(),
        pciDeviceId: board.profile.pci.device_word(),
        pciSubSystemId: board.profile.pci.subsystem_word(),
        busId: fixed(&address.bus_id()),
    }
}

/// `NVML_STRUCT_VERSION(PciInfoExt, 1)`: size of the struct, version in the top byte (nvml.h).
#[allow(clippy::cast_possible_truncation, reason = "the size of a small struct")]
const PCI_INFO_EXT_V1: c_uint = size_of::<nvmlPciInfoExt_v1_t>() as c_uint | 1 << 24;

export! {
    fn nvmlDeviceGetName(gpu: nvmlDevice_t, name: Out<c_char>, length: c_uint) {
        device("nvmlDeviceGetName", gpu, |_, _, board| name.put_text(length, board.name()))
    }
    fn nvmlDeviceGetUUID(gpu: nvmlDevice_t, uuid: Out<c_char>, length: c_uint) {
        device("nvmlDeviceGetUUID", gpu, |_, _, board| uuid.put_text(length, &board.uuid()))
    }
    fn nvmlDeviceGetSerial(gpu: nvmlDevice_t, serial: Out<c_char>, length: c_uint) {
        device("nvmlDeviceGetSerial", gpu, |_, _, board| serial.put_text(length, board.gpu.serial.as_deref().ok_or(NOT_SUPPORTED)?))
    }
    fn nvmlDeviceGetIndex(gpu: nvmlDevice_t, index: Out<c_uint>) {
        device("nvmlDeviceGetIndex", gpu, |scenario, position, _| index.put(super::devices::index(scenario, position).ok_or(NOT_FOUND)?))
    }
    fn nvmlDeviceGetMinorNumber(gpu: nvmlDevice_t, minor: Out<c_uint>) {
        device("nvmlDeviceGetMinorNumber", gpu, |_, _, board| minor.put(board.gpu.minor))
    }
    fn nvmlDeviceGetBrand(gpu: nvmlDevice_t, brand: Out<c_uint>) {
        device("nvmlDeviceGetBrand", gpu, |_, _, board| brand.put_known(board.profile.brand))
    }
    fn nvmlDeviceGetArchitecture(gpu: nvmlDevice_t, architecture: Out<c_uint>) {
        device("nvmlDeviceGetArchitecture", gpu, |_, _, board| architecture.put(board.profile.architecture))
    }
    fn nvmlDeviceGetCudaComputeCapability(gpu: nvmlDevice_t, major: Out<c_int>, minor: Out<c_int>) {
        device("nvmlDeviceGetCudaComputeCapability", gpu, |_, _, board| {
            major.put(board.profile.compute_capability.0)?;
            minor.put(board.profile.compute_capability.1)
        })
    }
    fn nvmlDeviceGetPciInfo(gpu: nvmlDevice_t, info: Out<nvmlPciInfo_t>) { device("nvmlDeviceGetPciInfo", gpu, |_, _, board| info.put(pci(board))) }
    fn nvmlDeviceGetPciInfo_v2(gpu: nvmlDevice_t, info: Out<nvmlPciInfo_t>) { device("nvmlDeviceGetPciInfo_v2", gpu, |_, _, board| info.put(pci(board))) }
    fn nvmlDeviceGetPciInfo_v3(gpu: nvmlDevice_t, info: Out<nvmlPciInfo_t>) { device("nvmlDeviceGetPciInfo_v3", gpu, |_, _, board| info.put(pci(board))) }
    fn nvmlDeviceGetPciInfoExt(gpu: nvmlDevice_t, info: Out<nvmlPciInfoExt_v1_t>) {
        device("nvmlDeviceGetPciInfoExt", gpu, |_, _, board| {
            let version = Out::version_of(&info)?;
            if version != PCI_INFO_EXT_V1 {
                return Err(VERSION_MISMATCH);
            }
            let plain = pci(board);
            info.put(nvmlPciInfoExt_v1_t {
                version,
                domain: plain.domain,
                bus: plain.bus,
                device: plain.device,
                pciDeviceId: plain.pciDeviceId,
                pciSubSystemId: plain.pciSubSystemId,
                baseClass: board.profile.pci.class >> 16,
                subClass: board.profile.pci.class >> 8 & 0xff,
                busId: plain.busId,
            })
        })
    }
}
