//! Values of a scenario that the schema allows one by one and that contradict one another. Called by [`Scenario::parse`].

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Scenario;

impl Scenario {
    /// The first contradiction between values, and where it is.
    pub(super) fn contradiction(&self) -> Option<(Place, String)> {
        if cuda_number(&self.cuda_version).is_none() {
            return Some((
                Place::Document,
                format!(
                    "cuda_version {:?} is not MAJOR.MINOR; write for example \"13.0\"",
                    self.cuda_version
                ),
            ));
        }
        let (mut minors, mut addresses, mut uuids) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (position, gpu) in self.gpus.iter().enumerate() {
            let place = Place::Gpu(position);
            if !minors.insert(gpu.minor) {
                return Some((
                    place,
                    format!(
                        "gpus[{position}].minor {} is used twice; give each GPU its own",
                        gpu.minor
                    ),
                ));
            }
            if !addresses.insert(gpu.pci_address) {
                return Some((
                    place,
                    format!(
                        "gpus[{position}].pci_address {} is used twice; give each GPU its own",
                        gpu.pci_address
                    ),
                ));
            }
            if let Some(uuid) = gpu.uuid.as_ref().filter(|uuid| !uuids.insert((*uuid).clone())) {
                return Some((
                    place,
                    format!("gpus[{position}].uuid {uuid} is used twice; give each GPU its own"),
                ));
            }
        }
        let mut ids = BTreeSet::new();
        for (position, event) in self.events.iter().enumerate() {
            let place = Place::Event(position);
            if event.gpu >= self.gpus.len() {
                return Some((
                    place,
                    format!(
                        "events[{position}].gpu is {}, but there are {} gpus, counted from 0",
                        event.gpu,
                        self.gpus.len()
                    ),
                ));
            }
            if !ids.insert(event.id) {
                return Some((
                    place,
                    format!(
                        "events[{position}].id {} is used twice; give each event its own",
                        event.id
                    ),
                ));
            }
        }
        None
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
    /// Its line. The text is parsed once more, for positions only: the data types stay free of them.
    pub(super) fn line(self, text: &str) -> u64 {
        #[derive(Deserialize)]
        struct Positions {
            gpus: Vec<serde_saphyr::Spanned<IgnoredAny>>,
            #[serde(default)]
            events: Vec<serde_saphyr::Spanned<IgnoredAny>>,
        }
        let Ok(positions) = serde_saphyr::from_str::<Positions>(text) else {
            return 0;
        };
        let spanned = match self {
            Self::Document => return 1,
            Self::Gpu(position) => positions.gpus.get(position),
            Self::Event(position) => positions.events.get(position),
        };
        spanned.map_or(0, |spanned| spanned.referenced.line())
    }
}
