//! Counting GPUs and finding one's handle.

use std::ffi::c_uint;
use std::path::Path;

use nvml_wrapper_sys::bindings::nvmlDevice_t;

use super::call::{Answer, GPU_IS_LOST, INVALID_ARGUMENT, NOT_FOUND, Target, library, visible};
use super::out::{Out, Text};
use crate::board::Board;
use crate::scenario::{PciAddress, Scenario};

const DEV: &str = "/dev";

fn count(symbol: &str, count: &Out<c_uint>) -> u32 {
    library(symbol, &|scenario| {
        count.put(c_uint::try_from(visible(scenario, Path::new(DEV)).len()).unwrap_or(c_uint::MAX))
    })
}

/// Finding the handle of a lost GPU fails like every other call on it.
fn give(scenario: &Scenario, target: Target, device: &Out<nvmlDevice_t>) -> Answer {
    if scenario.gpus.get(target.position()).is_some_and(|gpu| gpu.lost) {
        Err(GPU_IS_LOST)
    } else {
        device.put(target.handle())
    }
}

fn find(symbol: &str, device: &Out<nvmlDevice_t>, wanted: impl Fn(Board<'_>) -> Option<Target>) -> u32 {
    library(symbol, &|scenario| {
        let found = visible(scenario, Path::new(DEV)).into_iter().find_map(|position| {
            let target = wanted(scenario.board(position)?)?;
            // The board knows its parts, not its place.
            Some(match target {
                Target::Gpu(_) => Target::Gpu(position),
                Target::Mig(_, index) => Target::Mig(position, index),
            })
        });
        give(scenario, found.ok_or(NOT_FOUND)?, device)
    })
}

/// A GPU's UUID or that of one of its MIG devices.
fn by_uuid(board: Board<'_>, uuid: &str) -> Option<Target> {
    if board.uuid() == uuid {
        return Some(Target::Gpu(0));
    }
    let mig = board.mig()?;
    let index = mig.devices.iter().position(|device| device.uuid == uuid)?;
    Some(Target::Mig(0, index))
}

fn when(found: bool) -> Option<Target> {
    found.then_some(Target::Gpu(0))
}

fn by_index(symbol: &str, index: c_uint, device: &Out<nvmlDevice_t>) -> u32 {
    library(symbol, &|scenario| {
        let position = visible(scenario, Path::new(DEV))
            .get(index as usize)
            .copied()
            .ok_or(INVALID_ARGUMENT)?;
        give(scenario, Target::Gpu(position), device)
    })
}

fn by_address(symbol: &str, bus_id: &Text, device: &Out<nvmlDevice_t>) -> u32 {
    match bus_id
        .read()
        .and_then(|text| text.parse::<PciAddress>().map_err(|_| INVALID_ARGUMENT))
    {
        Ok(address) => find(symbol, device, |board| when(board.gpu.pci_address == address)),
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
            Ok(uuid) => find("nvmlDeviceGetHandleByUUID", &device, |board| by_uuid(board, &uuid)),
            Err(code) => code,
        }
    }
    fn nvmlDeviceGetHandleBySerial(serial: Text, device: Out<nvmlDevice_t>) {
        match serial.read() {
            Ok(serial) => find("nvmlDeviceGetHandleBySerial", &device, |board| when(board.gpu.serial.as_ref() == Some(&serial))),
            Err(code) => code,
        }
    }
}
