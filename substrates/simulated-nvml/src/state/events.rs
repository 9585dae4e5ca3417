//! Event sets. A set gets the events that appear in the scenario after a GPU was registered with it, each once. Called by the ABI.
//!
//! A set's handle is a number, never an address: a handle that a client has freed or invented is recognised and refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::scenario::{Event, Scenario};

#[derive(Default)]
struct Sets {
    last: usize,
    open: BTreeMap<usize, EventSet>,
}

#[derive(Default)]
struct EventSet {
    /// GPU by position in the scenario, with the mask of event types.
    gpus: BTreeMap<usize, u64>,
    /// Events delivered, or already there when their GPU was registered.
    past: BTreeSet<u64>,
    /// A registration answered `UNKNOWN`.
    spoilt: bool,
}

static SETS: Mutex<Sets> = Mutex::new(Sets {
    last: 0,
    open: BTreeMap::new(),
});

/// What became of a registration.
pub(crate) enum Registered {
    /// The set takes events of the GPU.
    Yes,
    /// There is no such set.
    NoSuchSet,
}

fn sets<T>(work: impl FnOnce(&mut Sets) -> T) -> T {
    work(&mut SETS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A new, empty set's handle; never 0.
pub(crate) fn create_set() -> usize {
    sets(|sets| {
        sets.last += 1;
        sets.open.insert(sets.last, EventSet::default());
        sets.last
    })
}

/// Frees a set; false when there is none.
pub(crate) fn free_set(handle: usize) -> bool {
    sets(|sets| sets.open.remove(&handle).is_some())
}

/// Registers a GPU's events. NVIDIA's plugin does so once for every replica of a GPU; only the first sets the starting point.
pub(crate) fn register(handle: usize, gpu: usize, mask: u64, scenario: &Scenario) -> Registered {
    sets(|sets| {
        let Some(set) = sets.open.get_mut(&handle) else {
            return Registered::NoSuchSet;
        };
        if !set.gpus.contains_key(&gpu) {
            set.past.extend(
                scenario
                    .events
                    .iter()
                    .filter(|event| event.gpu == gpu)
                    .map(|event| event.id),
            );
        }
        *set.gpus.entry(gpu).or_default() |= mask;
        Registered::Yes
    })
}

/// A registration with the set answered `UNKNOWN`: "event set is in undefined state and should be freed" (nvml.h). Here it then tells
/// nothing.
pub(crate) fn spoil(handle: usize) {
    sets(|sets| {
        if let Some(set) = sets.open.get_mut(&handle) {
            set.spoilt = true;
        }
    });
}

/// Takes the next event that the set has not had. `Err` when there is no such set.
pub(crate) fn next_event(handle: usize, scenario: &Scenario) -> Result<Option<Event>, ()> {
    sets(|sets| {
        let set = sets.open.get_mut(&handle).ok_or(())?;
        if set.spoilt {
            return Ok(None);
        }
        let wanted = |event: &Event| set.gpus.get(&event.gpu).is_some_and(|mask| mask & event.bit() != 0);
        let event = scenario
            .events
            .iter()
            .find(|event| wanted(event) && !set.past.contains(&event.id))
            .copied();
        set.past.extend(event.map(|event| event.id));
        Ok(event)
    })
}
