//! How often each GPU had each XID, and what was last said of it in this boot. Pure; [`super::store`] keeps it in a file.
//!
//! An incident that several places report (an XID in the kernel's log, a line without one, an event of NVML) counts once.
//! Of bounded size whatever is reported. Called by the daemon and by [`super::backlog`].

mod incidents;

use super::event::{Source, Xid, XidEvent};
use incidents::Incidents;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A host has at most some tens of GPUs, and NVIDIA lists fewer than 200 XIDs; what is beyond is forgotten, oldest first.
const COUNTS: usize = 1024;
/// More GPUs than any host has; a log that names more is not believed about which GPU it means.
const GPUS: usize = 128;

/// How often one GPU had one XID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    /// `GPU-…`, as soon as it is known.
    pub(crate) uuid: Option<String>,
    /// Where the GPU was when this was last seen, `0000:17:00.0`.
    pub(crate) pci_address: Option<String>,
    /// The XID; 79 for a GPU that fell off the bus without one.
    pub(crate) xid: u32,
    /// Incidents since the ledger began, boots included.
    pub(crate) total: u64,
    /// Incidents of this boot.
    pub(crate) this_boot: u64,
    /// The first.
    pub(crate) first_seen: Timestamp,
    /// The last.
    pub(crate) last_seen: Timestamp,
    /// What the driver wrote last; empty when only NVML said it.
    pub(crate) last_line: String,
}

/// A count and what goes with it in this boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    count: Count,
    /// The last record of the kernel's log that is counted here: the log is read from its beginning after a restart.
    sequence: Option<u64>,
    /// The last event of this boot.
    event: Option<XidEvent>,
    #[serde(skip)]
    incidents: Incidents,
}

/// All counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ledger {
    boot_id: String,
    entries: Vec<Entry>,
    /// Incidents whose count was forgotten for want of room.
    forgotten: u64,
    #[serde(skip)]
    uuids: BTreeMap<String, String>,
    /// The GPUs that events of this boot named and no pass has.
    #[serde(skip)]
    unknown: BTreeSet<String>,
    #[serde(skip)]
    changes: u64,
}

impl Ledger {
    /// An empty one, in the boot with this id (`/proc/sys/kernel/random/boot_id`).
    pub(crate) fn new(boot_id: &str) -> Self {
        Self {
            boot_id: boot_id.to_owned(),
            entries: Vec::new(),
            forgotten: 0,
            uuids: BTreeMap::new(),
            unknown: BTreeSet::new(),
            changes: 0,
        }
    }

    /// The same ledger in this boot: what an earlier boot saw stays counted and is no fault of this one.
    #[must_use]
    pub(crate) fn in_boot(mut self, boot_id: &str) -> Self {
        if self.boot_id != boot_id {
            boot_id.clone_into(&mut self.boot_id);
            for entry in &mut self.entries {
                entry.count.this_boot = 0;
                entry.sequence = None;
                entry.event = None;
            }
            self.changes += 1;
        }
        self.entries.truncate(COUNTS);
        let present = self.entries.iter().filter(|entry| entry.count.this_boot > 0);
        let named = present.flat_map(|entry| [entry.count.uuid.clone(), entry.count.pci_address.clone()]);
        self.unknown = named.flatten().take(GPUS).collect();
        self
    }

    /// Takes one event in; true when it is a new incident, false when it is another report of one that is counted.
    pub(crate) fn observe(&mut self, mut event: XidEvent) -> bool {
        if event.uuid.is_none() {
            event.uuid = event
                .pci_address
                .as_ref()
                .and_then(|address| self.uuids.get(address).cloned());
        }
        if !self.believes(&event) {
            event.uuid = None;
            event.pci_address = None;
        }
        let xid = event.xid.number();
        let place = self
            .entries
            .iter()
            .position(|entry| entry.is_of(&event))
            .unwrap_or_else(|| {
                self.make_room();
                self.entries.push(Entry::of(&event, xid));
                self.entries.len() - 1
            });
        let Some(entry) = self.entries.get_mut(place) else {
            return false;
        };
        if event.sequence.is_some() && event.sequence <= entry.sequence {
            return false;
        }
        self.changes += 1;
        entry.take(event)
    }

    /// Learns which GPU is at an address, from a pass over NVML. What this boot counted for the address is then that GPU's.
    pub(crate) fn learn(&mut self, pci_address: &str, uuid: &str) {
        if self.uuids.get(pci_address).is_some_and(|known| known == uuid) {
            return;
        }
        if self.uuids.len() >= GPUS && !self.uuids.contains_key(pci_address) {
            return;
        }
        self.uuids.insert(pci_address.to_owned(), uuid.to_owned());
        let mut kept: Vec<Entry> = Vec::with_capacity(self.entries.len());
        let (unnamed, named): (Vec<Entry>, Vec<Entry>) = self.entries.drain(..).partition(|entry| {
            let count = &entry.count;
            count.uuid.is_none() && count.this_boot > 0 && count.pci_address.as_deref() == Some(pci_address)
        });
        kept.extend(named);
        for mut entry in unnamed {
            entry.name(uuid);
            let same = kept
                .iter_mut()
                .find(|other| other.count.xid == entry.count.xid && other.count.uuid.as_deref() == Some(uuid));
            match same {
                Some(other) => other.merge(entry),
                None => kept.push(entry),
            }
            self.changes += 1;
        }
        self.entries = kept;
    }

    /// All counts, by GPU and XID.
    pub(crate) fn counts(&self) -> Vec<Count> {
        let mut counts: Vec<Count> = self.entries.iter().map(|entry| entry.count.clone()).collect();
        counts.sort_by(|a, b| (&a.uuid, &a.pci_address, a.xid).cmp(&(&b.uuid, &b.pci_address, b.xid)));
        counts
    }

    /// The last event of each GPU and XID in this boot, oldest first.
    pub(crate) fn present(&self) -> Vec<XidEvent> {
        let mut events: Vec<XidEvent> = self.entries.iter().filter_map(|entry| entry.event.clone()).collect();
        events.sort_by_key(|event| (event.at, event.sequence));
        events
    }

    /// The newest record of this boot's kernel log that is counted here.
    pub(crate) fn newest_record(&self) -> Option<u64> {
        self.entries.iter().filter_map(|entry| entry.sequence).max()
    }

    /// Incidents whose count was forgotten for want of room.
    #[cfg(test)]
    fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Grows with each change, so that a reader of an unchanged ledger writes nothing.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether the GPU that an event names is one that a pass has seen, or one of the first that none has: every name becomes
    /// findings, which outlive the counts.
    fn believes(&mut self, event: &XidEvent) -> bool {
        let Some(name) = event.gpu() else { return true };
        if self.uuids.contains_key(name) || self.uuids.values().any(|uuid| uuid == name) || self.unknown.contains(name)
        {
            return true;
        }
        let room = self.unknown.len() < GPUS;
        if room {
            self.unknown.insert(name.to_owned());
        }
        room
    }

    fn make_room(&mut self) {
        if self.entries.len() < COUNTS {
            return;
        }
        let oldest = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| (entry.count.this_boot > 0, entry.count.last_seen));
        if let Some((place, _)) = oldest {
            let gone = self.entries.swap_remove(place);
            self.forgotten = self.forgotten.saturating_add(gone.count.total);
        }
    }
}

impl Entry {
    fn of(event: &XidEvent, xid: u32) -> Self {
        Self {
            count: Count {
                uuid: event.uuid.clone(),
                pci_address: event.pci_address.clone(),
                xid,
                total: 0,
                this_boot: 0,
                first_seen: event.at,
                last_seen: event.at,
                last_line: String::new(),
            },
            sequence: None,
            event: None,
            incidents: Incidents::default(),
        }
    }

    /// Whether the event is of this GPU and XID. An address alone says which GPU it is only within a boot: between two, the
    /// card may have been changed.
    fn is_of(&self, event: &XidEvent) -> bool {
        let count = &self.count;
        if count.xid != event.xid.number() {
            return false;
        }
        match (&count.uuid, &event.uuid) {
            (Some(known), Some(uuid)) => known == uuid,
            (None, None) => count.pci_address == event.pci_address,
            _ => count.this_boot > 0 && count.pci_address.is_some() && count.pci_address == event.pci_address,
        }
    }

    fn take(&mut self, event: XidEvent) -> bool {
        let new = self.incidents.is_new(event.at, event.source, event.xid);
        let count = &mut self.count;
        if new {
            count.total = count.total.saturating_add(1);
            count.this_boot = count.this_boot.saturating_add(1);
        }
        if count.uuid.is_none() {
            count.uuid.clone_from(&event.uuid);
        }
        if event.pci_address.is_some() {
            count.pci_address.clone_from(&event.pci_address);
        }
        count.first_seen = count.first_seen.min(event.at);
        count.last_seen = count.last_seen.max(event.at);
        self.sequence = self.sequence.max(event.sequence);
        if !event.line.is_empty() {
            count.last_line.clone_from(&event.line);
        }
        // A second report replaces the first only where it says more.
        let poorer = event.source == Source::Nvml || event.xid == Xid::FallenOffTheBus;
        if new || !poorer || self.event.is_none() {
            self.event = Some(event);
        }
        new
    }

    fn name(&mut self, uuid: &str) {
        self.count.uuid = Some(uuid.to_owned());
        if let Some(event) = &mut self.event {
            event.uuid = Some(uuid.to_owned());
        }
    }

    /// Adds what an entry of the same GPU and XID has.
    fn merge(&mut self, other: Self) {
        let (count, more) = (&mut self.count, other.count);
        count.total = count.total.saturating_add(more.total);
        count.this_boot = count.this_boot.saturating_add(more.this_boot);
        count.first_seen = count.first_seen.min(more.first_seen);
        if more.last_seen >= count.last_seen {
            count.last_seen = more.last_seen;
            count.pci_address = more.pci_address;
            count.last_line = more.last_line;
            self.event = other.event.or_else(|| self.event.take());
        }
        self.sequence = self.sequence.max(other.sequence);
    }
}

#[cfg(test)]
mod tests;
