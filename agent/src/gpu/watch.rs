//! Waits for NVML's events in a thread of the worker and writes each to the parent at once. Called by [`super::worker`].

use super::event::{Event, EventKind};
use super::progress::Page;
use super::raw::{self, EventSet, RawEvent};
use super::wire::Line;
use super::worker::Output;
use bedplate_protocol::facts::GpuFacts;
use jiff::Timestamp;
use nvml_wrapper::{Device, Nvml};
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
}

impl Watch {
    /// An empty set; none on a library without events.
    pub(super) fn create(nvml: &'static Nvml, page: &Page) -> Option<Self> {
        page.announce("nvmlEventSetCreate", None);
        Some(Self {
            set: Arc::new(EventSet::create(nvml).ok()?),
            heard: Arc::default(),
            waiting: false,
        })
    }

    /// Hears a GPU from now on, once. One that cannot tell events (or not now) is asked again in the next pass.
    pub(super) fn hear(&mut self, device: &Device<'_>, gpu: &GpuFacts, page: &Page) {
        let address = raw::address(device);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard
            .iter()
            .any(|known| known.device == address && known.uuid == gpu.uuid)
        {
            return;
        }
        page.announce("nvmlDeviceRegisterEvents", Some(gpu.index));
        if self.set.register(device, EventKind::WANTED).is_ok() {
            heard.retain(|known| known.device != address);
            heard.push(Heard {
                device: address,
                pci_address: gpu.pci_address.clone(),
                uuid: gpu.uuid.clone(),
            });
        }
    }

    /// Starts the thread with the first GPU; of the usual stack, for the library's code runs in it.
    pub(super) fn start(&mut self, output: &Arc<Mutex<Output>>) {
        let none = self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if self.waiting || none {
            return;
        }
        let (set, heard, output) = (self.set.clone(), self.heard.clone(), output.clone());
        let thread = std::thread::Builder::new().name("nvml-events".into());
        self.waiting = thread.spawn(move || wait(&set, &heard, &output)).is_ok();
    }
}

/// Until the parent has gone.
fn wait(set: &EventSet, heard: &Mutex<Vec<Heard>>, output: &Mutex<Output>) {
    loop {
        match set.wait(WAIT_MILLISECONDS) {
            Ok(None) => {}
            Ok(Some(raw)) => {
                let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let event = event(raw, &heard);
                drop(heard);
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                if output.write(&Line::Event { event }).is_err() {
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
