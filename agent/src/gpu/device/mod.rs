//! One GPU read completely: what it is, how it is, its memory, its links, its MIG devices. Called by [`super::worker`].
//!
//! GPUs are read one by one, so a lost one hides no other. A value that a product or a driver does not have is absent; every
//! other failure is written down with its call and code. What cannot change while a session lasts is read once.

mod identity;
mod links;
mod memory;
mod mig;
mod state;

use super::codes::{GPU_IS_LOST, failure, is_unknown, is_unsupported};
use super::progress::Page;
use super::raw::Fields;
use bedplate_protocol::facts::GpuFacts;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use std::io;
use std::time::Instant;

/// Reads passes of one session. Buffers and what cannot change are kept between them.
#[derive(Default)]
pub(super) struct Reader {
    gpus: Vec<Known>,
    /// Whether `gpus` are in the order of PCI addresses, not of NVML's indexes.
    by_address: bool,
    /// How many NVML counts.
    count: u32,
    fields: Fields,
}

/// What is kept of a GPU.
#[derive(Default)]
struct Known {
    gpu: GpuFacts,
    /// Its identity was read without a failure.
    identified: bool,
    /// How many `NVLink`s it has, once that is known.
    links: Option<u32>,
    /// When the infoROM was validated last.
    validated: Option<Instant>,
}

/// Gets each GPU as soon as it is read, with its handle if it has one.
pub(super) type Deliver<'a> = dyn FnMut(Option<&Device<'static>>, &GpuFacts) -> io::Result<()> + 'a;

impl Reader {
    /// As many GPUs follow by index.
    pub(super) fn expect(&mut self, gpus: u32) {
        self.count = gpus;
    }

    /// All GPUs once. With sleeping ones beside them, those that are awake are asked for by their addresses: NVML's count by
    /// index would wake all. The index of a sleeping GPU is its place among all addresses, as NVML numbers them.
    pub(super) fn read(
        &mut self,
        nvml: &'static Nvml,
        asleep: &[String],
        awake: &[String],
        page: &Page,
        deliver: &mut Deliver<'_>,
    ) -> io::Result<()> {
        if self.by_address == asleep.is_empty() {
            self.gpus.clear();
            self.by_address = !asleep.is_empty();
        }
        if asleep.is_empty() {
            for index in 0..self.count {
                page.announce("nvmlDeviceGetHandleByIndex_v2", Some(index));
                let handle = nvml.device_by_index(index);
                self.one(index, handle, "nvmlDeviceGetHandleByIndex_v2", page, deliver)?;
            }
            return Ok(());
        }
        let mut addresses: Vec<&String> = asleep.iter().chain(awake).collect();
        addresses.sort_unstable();
        for (index, address) in (0..).zip(addresses) {
            if asleep.contains(address) {
                let gpu = GpuFacts {
                    index,
                    pci_address: Some(address.clone()),
                    suspended: true,
                    ..GpuFacts::default()
                };
                deliver(None, &gpu)?;
                continue;
            }
            page.announce("nvmlDeviceGetHandleByPciBusId_v2", Some(index));
            let handle = nvml.device_by_pci_bus_id(address.as_str());
            self.one(index, handle, "nvmlDeviceGetHandleByPciBusId_v2", page, deliver)?;
        }
        Ok(())
    }

    /// One GPU, with its handle or why there is none.
    fn one(
        &mut self,
        index: u32,
        handle: Result<Device<'static>, NvmlError>,
        call: &str,
        page: &Page,
        deliver: &mut Deliver<'_>,
    ) -> io::Result<()> {
        let place = index as usize;
        if self.gpus.len() <= place {
            self.gpus.resize_with(place + 1, Known::default);
        }
        let known = &mut self.gpus[place];
        known.forget_state(index);
        let device = match handle {
            Ok(device) => device,
            Err(error) => {
                known.gpu.errors.push(failure(call, &error));
                return deliver(None, &known.gpu);
            }
        };
        let mut reading = Reading {
            device,
            known,
            fields: &mut self.fields,
            page,
            lost: false,
        };
        identity::read(&mut reading);
        state::read(&mut reading);
        memory::read(&mut reading);
        links::read(&mut reading);
        mig::read(&mut reading);
        let Reading { device, known, .. } = reading;
        deliver(Some(&device), &known.gpu)
    }
}

impl Known {
    /// Keeps who the GPU is, also when it cannot be asked any more: a lost GPU has a name.
    fn forget_state(&mut self, index: u32) {
        let old = std::mem::take(&mut self.gpu);
        self.gpu = GpuFacts {
            index,
            uuid: old.uuid,
            name: old.name,
            serial: old.serial,
            pci_address: old.pci_address,
            minor: old.minor,
            architecture: old.architecture,
            compute_capability: old.compute_capability,
            vbios_version: old.vbios_version,
            pcie_max_generation: old.pcie_max_generation,
            pcie_max_width: old.pcie_max_width,
            temperature_slowdown_celsius: old.temperature_slowdown_celsius,
            temperature_shutdown_celsius: old.temperature_shutdown_celsius,
            memory_temperature_max_celsius: old.memory_temperature_max_celsius,
            inforom_valid: old.inforom_valid,
            ..GpuFacts::default()
        };
    }
}

/// One GPU under way.
struct Reading<'a> {
    device: Device<'static>,
    known: &'a mut Known,
    fields: &'a mut Fields,
    page: &'a Page,
    /// It has fallen off the bus: nothing more is asked.
    lost: bool,
}

impl Reading<'_> {
    /// Announces a call, makes it, and sorts its failure.
    fn call<T>(&mut self, name: &str, call: impl FnOnce(&Device<'static>) -> Result<T, NvmlError>) -> Option<T> {
        self.sorted(name, call, is_unsupported)
    }

    /// The same for a call that older drivers or other products answer in their own ways (see [`is_unknown`]).
    fn newer<T>(&mut self, name: &str, call: impl FnOnce(&Device<'static>) -> Result<T, NvmlError>) -> Option<T> {
        self.sorted(name, call, is_unknown)
    }

    fn sorted<T>(
        &mut self,
        name: &str,
        call: impl FnOnce(&Device<'static>) -> Result<T, NvmlError>,
        absent: fn(&NvmlError) -> bool,
    ) -> Option<T> {
        if self.lost {
            return None;
        }
        self.page.announce(name, Some(self.known.gpu.index));
        match call(&self.device) {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed(name, &error, absent);
                None
            }
        }
    }

    fn failed(&mut self, name: &str, error: &NvmlError, absent: fn(&NvmlError) -> bool) {
        if absent(error) {
            return;
        }
        let failure = failure(name, error);
        self.lost |= failure.code == Some(GPU_IS_LOST);
        self.known.gpu.errors.push(failure);
    }

    /// Reads the fields that were asked for; whether there are any values.
    fn read_fields(&mut self) -> bool {
        if self.lost {
            return false;
        }
        self.page
            .announce("nvmlDeviceGetFieldValues", Some(self.known.gpu.index));
        match self.fields.read(&self.device) {
            Ok(()) => true,
            Err(error) => {
                self.failed("nvmlDeviceGetFieldValues", &error, is_unknown);
                false
            }
        }
    }

    /// The value of the field in a place. What did not come is absent or an error, as with a call.
    fn field(&mut self, name: &str, place: usize) -> Option<u64> {
        match self.fields.value(place) {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed(name, &error, is_unknown);
                None
            }
        }
    }

    /// The same where more than 32 bits are none.
    fn small_field(&mut self, name: &str, place: usize) -> Option<u32> {
        self.field(name, place)
            .map(|value| u32::try_from(value).unwrap_or(u32::MAX))
    }
}
