//! Waits for NVML's events in a thread of the worker and writes each to the parent at once. Called by [`super::worker`].

use super::event::{Event, EventKind};
use super::progress::Page;
use super::raw::{self, EventSet, RawEvent};
use super::wire::Line;
use super::worker::Output;
use bedplate_protocol::facts::GpuFacts;
use jiff::Timestamp;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long one wait may take: a GPU that is registered meanwhile is heard at the latest then.
const WAIT_MILLISECONDS: u32 = 5000;
/// After a failed wait, so that a lost GPU does not make the thread spin.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Instance ids without MIG (nvml.h, `nvmlEventData_t`).
const NO_INSTANCE: u32 = u32::MAX;

/// A GPU whose events are heard.
#[derive(Debug, Clone)]
struct Heard {
    device: usize,
    pci_address: Option<String>,
    uuid: Option<String>,
}

/// The event set, its GPUs and its thread.
pub(super) struct Watch {
    set: Arc<EventSet>,
    heard: Arc<Mutex<Vec<Heard>>>,
    waiting: bool,
    /// The GPU at whose registration the set became undefined.
    spoilt_by: Option<usize>,
    /// Nobody may wait on the set any more. Its thread ends with the wait that it is in, and the set is freed with the last owner.
    over: Arc<AtomicBool>,
}

impl Watch {
    /// An empty set; none on a library without events.
    pub(super) fn create(nvml: &'static Nvml, page: &Page) -> Option<Self> {
        page.announce("nvmlEventSetCreate", None);
        Some(Self {
            set: Arc::new(EventSet::create(nvml).ok()?),
            heard: Arc::default(),
            waiting: false,
            spoilt_by: None,
            over: Arc::default(),
        })
    }

    /// The GPU whose registration has made the set useless, if one has.
    pub(super) fn spoilt_by(&self) -> Option<usize> {
        self.spoilt_by
    }

    /// Hears a GPU from now on, once. One that cannot tell events (or not now) is asked again in the next pass. Where NVML answers
    /// UNKNOWN the set is of no more use and must be freed (nvml.h, `nvmlDeviceRegisterEvents`).
    pub(super) fn hear(&mut self, device: &Device<'_>, gpu: &GpuFacts, page: &Page) {
        let address = raw::address(device);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |known: &Heard| known.device == address && known.uuid == gpu.uuid;
        if self.spoilt_by.is_some() || heard.iter().any(known) {
            return;
        }
        page.announce("nvmlDeviceRegisterEvents", Some(gpu.index));
        match self.set.register(device, EventKind::WANTED) {
            Ok(()) => {
                heard.retain(|known| known.device != address);
                heard.push(Heard {
                    device: address,
                    pci_address: gpu.pci_address.clone(),
                    uuid: gpu.uuid.clone(),
                });
            }
            Err(NvmlError::Unknown) => {
                self.spoilt_by = Some(address);
                self.over.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }

    /// Starts the thread with the first GPU; of the usual stack, for the library's code runs in it.
    pub(super) fn start(&mut self, output: &Arc<Mutex<Output>>) {
        let none = self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if self.waiting || none || self.spoilt_by.is_some() {
            return;
        }
        let (set, heard, output, over) = (self.set.clone(), self.heard.clone(), output.clone(), self.over.clone());
        let thread = std::thread::Builder::new().name("nvml-events".into());
        self.waiting = thread.spawn(move || wait(&set, &heard, &output, &over)).is_ok();
    }
}

/// Until the parent has gone or the set is of no more use.
fn wait(set: &EventSet, heard: &Mutex<Vec<Heard>>, output: &Mutex<Output>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        match set.wait(WAIT_MILLISECONDS) {
            Ok(None) => {}
            Ok(Some(raw)) => {
                let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let event = event(raw, &heard);
                drop(heard);
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                if output.write(&Line::Event(event)).is_err() {
                    return;
                }
            }
            Err(_) => std::thread::sleep(AFTER_FAILURE),
        }
    }
}

fn event(raw: RawEvent, heard: &[Heard]) -> Event {
    let gpu = heard.iter().find(|known| known.device == raw.device);
    let instance = |id: u32| (id != NO_INSTANCE).then_some(id);
    Event {
        at: Timestamp::now(),
        pci_address: gpu.and_then(|gpu| gpu.pci_address.clone()),
        uuid: gpu.and_then(|gpu| gpu.uuid.clone()),
        kind: EventKind::of(raw.kind, raw.data),
        gpu_instance: instance(raw.gpu_instance),
        compute_instance: instance(raw.compute_instance),
    }
}
