//! `NVLink`: state, errors, the other end.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{self as nvml, nvmlDevice_t, nvmlPciInfo_t};

use super::call::{Answer, INVALID_ARGUMENT, NOT_SUPPORTED, device};
use super::out::{Out, fixed};
use crate::board::{Board, Link};
use crate::scenario::{Remote, RemoteDevice};

/// A link by its number. A product without `NVLink` does not know the call; one with it, not that number.
pub(super) fn link(board: Board<'_>, number: c_uint) -> Result<Link, u32> {
    match board.link_count() {
        None | Some(0) => Err(NOT_SUPPORTED),
        Some(_) => board.link(number as usize).ok_or(INVALID_ARGUMENT),
    }
}

fn on_link(symbol: &str, gpu: nvmlDevice_t, number: c_uint, work: impl Fn(Link) -> Answer) -> u32 {
    device(symbol, gpu, &|_, _, board| work(link(board, number)?))
}

/// The other end's place on PCI. Its ids have no place in a scenario.
fn remote(remote: Remote) -> nvmlPciInfo_t {
    let address = remote.pci_address;
    nvmlPciInfo_t {
        busIdLegacy: fixed(&address.legacy_bus_id()),
        domain: address.domain,
        bus: address.bus.into(),
        device: address.device.into(),
        pciDeviceId: 0,
        pciSubSystemId: 0,
        busId: fixed(&address.bus_id()),
    }
}

export! {
    fn nvmlDeviceGetNvLinkState(gpu: nvmlDevice_t, number: c_uint, state: Out<c_uint>) {
        on_link("nvmlDeviceGetNvLinkState", gpu, number, |link| state.put(link.active.into()))
    }
    fn nvmlDeviceGetNvLinkVersion(gpu: nvmlDevice_t, number: c_uint, version: Out<c_uint>) {
        on_link("nvmlDeviceGetNvLinkVersion", gpu, number, |link| version.put_known(link.version))
    }
    fn nvmlDeviceGetNvLinkErrorCounter(gpu: nvmlDevice_t, number: c_uint, counter: c_uint, value: Out<c_ulonglong>) {
        on_link("nvmlDeviceGetNvLinkErrorCounter", gpu, number, |link| value.put(link.errors.get(counter as usize).copied().ok_or(INVALID_ARGUMENT)?))
    }
    fn nvmlDeviceGetNvLinkRemotePciInfo_v2(gpu: nvmlDevice_t, number: c_uint, info: Out<nvmlPciInfo_t>) {
        on_link("nvmlDeviceGetNvLinkRemotePciInfo_v2", gpu, number, |link| info.put_known(link.remote.map(remote)))
    }
    fn nvmlDeviceGetNvLinkRemoteDeviceType(gpu: nvmlDevice_t, number: c_uint, kind: Out<c_uint>) {
        on_link("nvmlDeviceGetNvLinkRemoteDeviceType", gpu, number, |link| kind.put_known(link.remote.map(|remote| match remote.device {
            RemoteDevice::Gpu => nvml::nvmlIntNvLinkDeviceType_enum_NVML_NVLINK_DEVICE_TYPE_GPU,
            RemoteDevice::Switch => nvml::nvmlIntNvLinkDeviceType_enum_NVML_NVLINK_DEVICE_TYPE_SWITCH,
            RemoteDevice::Unknown => nvml::nvmlIntNvLinkDeviceType_enum_NVML_NVLINK_DEVICE_TYPE_UNKNOWN,
        })))
    }
}
