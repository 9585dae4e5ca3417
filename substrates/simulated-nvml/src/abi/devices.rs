//! Counting GPUs and finding one's handle.

use std::ffi::c_uint;
use std::path::Path;

use nvml_wrapper_sys::bindings::nvmlDevice_t;

use super::call::{Answer, GPU_IS_LOST, INVALID_ARGUMENT, NOT_FOUND, handle, library, visible};
use super::out::{Out, Text};
use crate::board::Board;
use crate::scenario::{PciAddress, Scenario};

const DEV: &str = "/dev";

fn count(symbol: &str, count: &Out<c_uint>) -> u32 {
    library(symbol, |scenario| {
        count.put(c_uint::try_from(visible(scenario, Path::new(DEV)).len()).unwrap_or(c_uint::MAX))
    })
}

/// Finding the handle of a lost GPU fails like every other call on it.
fn give(scenario: &Scenario, position: usize, device: &Out<nvmlDevice_t>) -> Answer {
    if scenario.gpus.get(position).is_some_and(|gpu| gpu.lost) {
        Err(GPU_IS_LOST)
    } else {
        device.put(handle(position))
    }
}

fn find(symbol: &str, device: &Out<nvmlDevice_t>, wanted: impl Fn(Board<'_>) -> bool) -> u32 {
    library(symbol, |scenario| {
        let found = visible(scenario, Path::new(DEV))
            .into_iter()
            .find(|position| scenario.gpus.get(*position).is_some_and(|gpu| wanted(Board::of(gpu))));
        give(scenario, found.ok_or(NOT_FOUND)?, device)
    })
}

fn by_index(symbol: &str, index: c_uint, device: &Out<nvmlDevice_t>) -> u32 {
    library(symbol, |scenario| {
        let position = visible(scenario, Path::new(DEV))
            .get(index as usize)
            .copied()
            .ok_or(INVALID_ARGUMENT)?;
        give(scenario, position, device)
    })
}

fn by_address(symbol: &str, bus_id: &Text, device: &Out<nvmlDevice_t>) -> u32 {
    match bus_id
        .read()
        .and_then(|text| text.parse::<PciAddress>().map_err(|_| INVALID_ARGUMENT))
    {
        Ok(address) => find(symbol, device, |board| board.gpu.pci_address == address),
        Err(code) => code,
    }
}

/// A GPU's index among those that are visible.
pub(super) fn index(scenario: &Scenario, position: usize) -> Option<c_uint> {
    visible(scenario, Path::new(DEV))
        .iter()
        .position(|visible| *visible == position)
        .and_then(|index| c_uint::try_from(index).ok())
}

export! {
    fn nvmlDeviceGetCount(number: Out<c_uint>) { count("nvmlDeviceGetCount", &number) }
    fn nvmlDeviceGetCount_v2(number: Out<c_uint>) { count("nvmlDeviceGetCount_v2", &number) }
    fn nvmlDeviceGetHandleByIndex(index: c_uint, device: Out<nvmlDevice_t>) { by_index("nvmlDeviceGetHandleByIndex", index, &device) }
    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: Out<nvmlDevice_t>) { by_index("nvmlDeviceGetHandleByIndex_v2", index, &device) }
    fn nvmlDeviceGetHandleByPciBusId(bus_id: Text, device: Out<nvmlDevice_t>) { by_address("nvmlDeviceGetHandleByPciBusId", &bus_id, &device) }
    fn nvmlDeviceGetHandleByPciBusId_v2(bus_id: Text, device: Out<nvmlDevice_t>) { by_address("nvmlDeviceGetHandleByPciBusId_v2", &bus_id, &device) }
    fn nvmlDeviceGetHandleByUUID(uuid: Text, device: Out<nvmlDevice_t>) {
        match uuid.read() {
            Ok(uuid) => find("nvmlDeviceGetHandleByUUID", &device, |board| board.uuid() == uuid),
            Err(code) => code,
        }
    }
    fn nvmlDeviceGetHandleBySerial(serial: Text, device: Out<nvmlDevice_t>) {
        match serial.read() {
            Ok(serial) => find("nvmlDeviceGetHandleBySerial", &device, |board| board.gpu.serial.as_ref() == Some(&serial)),
            Err(code) => code,
        }
    }
}
