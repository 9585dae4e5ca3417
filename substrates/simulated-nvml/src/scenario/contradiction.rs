//! Values of a scenario that the schema allows one by one and that contradict one another. Called by [`Scenario::parse`].

mod board;
mod series;

use std::collections::BTreeSet;

use super::document::Node;
use super::{Event, Latency, Scenario};

impl Scenario {
    /// The first contradiction between values, and where it is.
    pub(super) fn contradiction(&self) -> Option<(Place, String)> {
        if let Some(detail) = self.of_document() {
            return Some((Place::Document, detail));
        }
        let (mut minors, mut addresses, mut uuids) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (position, gpu) in self.gpus.iter().enumerate() {
            let twice =
                |what: &str, value: &dyn std::fmt::Display| format!("{what} {value} is used twice; give each its own");
            let parts = gpu.mig.iter().flat_map(|mig| &mig.devices).map(|device| &device.uuid);
            let mut all = gpu.uuid.iter().chain(parts);
            let detail = if !minors.insert(gpu.minor) {
                Some(twice("minor", &gpu.minor))
            } else if !addresses.insert(gpu.pci_address) {
                Some(twice("pci_address", &gpu.pci_address))
            } else if let Some(uuid) = all.find(|uuid| !uuids.insert((*uuid).clone())) {
                Some(twice("uuid", uuid))
            } else {
                series::fault(gpu).or_else(|| board::contradiction(gpu))
            };
            if let Some(detail) = detail {
                return Some((Place::Gpu(position), format!("gpus[{position}].{detail}")));
            }
        }
        let mut ids = BTreeSet::new();
        for (position, event) in self.events.iter().enumerate() {
            let detail = if ids.insert(event.id) {
                self.of_event(event)
            } else {
                Some(format!("id {} is used twice; give each event its own", event.id))
            };
            if let Some(detail) = detail {
                return Some((Place::Event(position), format!("events[{position}].{detail}")));
            }
        }
        None
    }

    fn of_document(&self) -> Option<String> {
        if cuda_number(&self.cuda_version).is_none() {
            return Some(format!(
                "cuda_version {:?} is not MAJOR.MINOR; write for example \"13.0\"",
                self.cuda_version
            ));
        }
        let latency = self.latency.as_ref()?;
        let longest = latency.calls.values().copied().fold(latency.microseconds, u32::max);
        (longest > Latency::LONGEST).then(|| {
            format!(
                "latency of {longest} microseconds is longer than {}; write `hang` for a call that does not come back",
                Latency::LONGEST
            )
        })
    }

    fn of_event(&self, event: &Event) -> Option<String> {
        if event.gpu >= self.gpus.len() {
            return Some(format!(
                "gpu is {}, but there are {} gpus, counted from 0",
                event.gpu,
                self.gpus.len()
            ));
        }
        match (event.xid, event.kind, event.data) {
            (None, None, _) => Some("xid is missing, and kind too; write one of them".to_owned()),
            (Some(_), Some(_), _) => {
                Some("xid and kind are both there; an event is an XID or of another kind".to_owned())
            }
            (Some(_), None, Some(_)) => Some("data is there, but an XID's data is its number; take it away".to_owned()),
            _ => None,
        }
    }
}

/// `13.0` as NVML's 13000: major × 1000 + minor × 10 (nvml.h, `NVML_CUDA_DRIVER_VERSION_MAJOR`).
pub(crate) fn cuda_number(version: &str) -> Option<i32> {
    let (major, minor) = version.split_once('.')?;
    major
        .parse::<i32>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(minor.parse::<i32>().ok().filter(|minor| (0..100).contains(minor))? * 10)
}

/// Where in the document a contradiction is.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Document,
    Gpu(usize),
    Event(usize),
}

impl Place {
    /// Its line; 1 where the document has no such item.
    pub(super) fn line(self, document: &Node<'_>) -> usize {
        let item = match self {
            Self::Document => None,
            Self::Gpu(position) => document.list("gpus").get(position),
            Self::Event(position) => document.list("events").get(position),
        };
        item.map_or(1, |item| item.at.line)
    }
}
