//! Who a GPU is: name, UUID, serial number, minor number, PCI, architecture.

use std::ffi::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlPciInfo_t, nvmlPciInfoExt_v1_t};

use super::call::{CORRUPTED_INFOROM, NOT_FOUND, NOT_SUPPORTED, device, either};
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

export! {
    fn nvmlDeviceGetName(gpu: nvmlDevice_t, name: Out<c_char>, length: c_uint) {
        either("nvmlDeviceGetName", gpu, &|_, target, board| match super::mig::part(board, target)? {
            None => name.put_text(length, board.name()),
            // nvidia-smi -L and NVIDIA's plugin show a MIG device as the product, "MIG" and the profile.
            Some(part) => name.put_text(length, &format!("{} MIG {}", board.name(), part.profile)),
        })
    }
    fn nvmlDeviceGetUUID(gpu: nvmlDevice_t, uuid: Out<c_char>, length: c_uint) {
        either("nvmlDeviceGetUUID", gpu, &|_, target, board| match super::mig::part(board, target)? {
            None => uuid.put_text(length, &board.uuid()),
            Some(part) => uuid.put_text(length, &part.uuid),
        })
    }
    fn nvmlDeviceGetSerial(gpu: nvmlDevice_t, serial: Out<c_char>, length: c_uint) {
        device("nvmlDeviceGetSerial", gpu, &|_, _, board| serial.put_text(length, board.gpu.serial.as_deref().ok_or(NOT_SUPPORTED)?))
    }
    fn nvmlDeviceGetVbiosVersion(gpu: nvmlDevice_t, version: Out<c_char>, length: c_uint) {
        device("nvmlDeviceGetVbiosVersion", gpu, &|_, _, board| version.put_text(length, board.vbios_version().ok_or(NOT_SUPPORTED)?))
    }
    fn nvmlDeviceGetInforomImageVersion(gpu: nvmlDevice_t, version: Out<c_char>, length: c_uint) {
        device("nvmlDeviceGetInforomImageVersion", gpu, &|_, _, board| version.put_text(length, board.inforom_version().ok_or(NOT_SUPPORTED)?))
    }
    fn nvmlDeviceValidateInforom(gpu: nvmlDevice_t) {
        device("nvmlDeviceValidateInforom", gpu, &|_, _, board| match board.inforom_valid() {
            Some(true) => Ok(()),
            Some(false) => Err(CORRUPTED_INFOROM),
            None => Err(NOT_SUPPORTED),
        })
    }
    fn nvmlDeviceGetIndex(gpu: nvmlDevice_t, index: Out<c_uint>) {
        device("nvmlDeviceGetIndex", gpu, &|scenario, position, _| index.put(super::devices::index(scenario, position).ok_or(NOT_FOUND)?))
    }
    fn nvmlDeviceGetMinorNumber(gpu: nvmlDevice_t, minor: Out<c_uint>) {
        device("nvmlDeviceGetMinorNumber", gpu, &|_, _, board| minor.put(board.gpu.minor))
    }
    fn nvmlDeviceGetBrand(gpu: nvmlDevice_t, brand: Out<c_uint>) {
        device("nvmlDeviceGetBrand", gpu, &|_, _, board| brand.put_known(board.profile.brand))
    }
    fn nvmlDeviceGetArchitecture(gpu: nvmlDevice_t, architecture: Out<c_uint>) {
        device("nvmlDeviceGetArchitecture", gpu, &|_, _, board| architecture.put(board.profile.architecture))
    }
    fn nvmlDeviceGetCudaComputeCapability(gpu: nvmlDevice_t, major: Out<c_int>, minor: Out<c_int>) {
        device("nvmlDeviceGetCudaComputeCapability", gpu, &|_, _, board| {
            major.put(board.profile.compute_capability.0)?;
            minor.put(board.profile.compute_capability.1)
        })
    }
    fn nvmlDeviceGetPciInfo(gpu: nvmlDevice_t, info: Out<nvmlPciInfo_t>) { device("nvmlDeviceGetPciInfo", gpu, &|_, _, board| info.put(pci(board))) }
    fn nvmlDeviceGetPciInfo_v2(gpu: nvmlDevice_t, info: Out<nvmlPciInfo_t>) { device("nvmlDeviceGetPciInfo_v2", gpu, &|_, _, board| info.put(pci(board))) }
    fn nvmlDeviceGetPciInfo_v3(gpu: nvmlDevice_t, info: Out<nvmlPciInfo_t>) { device("nvmlDeviceGetPciInfo_v3", gpu, &|_, _, board| info.put(pci(board))) }
    fn nvmlDeviceGetPciInfoExt(gpu: nvmlDevice_t, info: Out<nvmlPciInfoExt_v1_t>) {
        device("nvmlDeviceGetPciInfoExt", gpu, &|_, _, board| {
            let version = info.expect_version(1)?;
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
