//! The observer's XIDs: what the kernel's log and NVML report, counted once, kept over restarts. Called by
//! [`super::observer`] only.

use super::Config;
use super::hearing::Hearing;
use crate::checks::nvml_events;
use crate::gpu::{Event, EventKind};
use crate::health::Fold;
use crate::xid::{Count, Ledger, Store, XidEvent};
use bedplate_protocol::NodeFacts;
use std::time::Instant;

/// More GPUs than any host has, twice.
const TOLD: usize = 256;

/// Everything about XIDs.
#[derive(Debug)]
pub(super) struct Xids {
    ledger: Ledger,
    store: Store,
    log: Hearing,
    /// What NVML told that is no XID: the last of each GPU and kind. Not kept over restarts: a finding that it made is.
    told: Vec<Event>,
    /// What was last said of a file that could not be written.
    unwritten: Option<String>,
}

impl Xids {
    /// What an earlier run kept, in the boot with this id; and what is wrong with that.
    pub(super) fn open(config: &Config, boot_id: &str) -> (Self, Option<String>) {
        let (store, ledger, problem) = Store::load(&config.state_directory.join("xids.json"), boot_id);
        let log = Hearing::new(Instant::now());
        (
            Self {
                ledger,
                store,
                log,
                told: Vec::new(),
                unwritten: None,
            },
            problem.map(|problem| problem.to_string()),
        )
    }

    /// Takes an event of the kernel's log in; whether it is news.
    pub(super) fn take(&mut self, event: XidEvent) -> bool {
        self.log.heard(Instant::now());
        self.ledger.observe(event)
    }

    /// The same for what NVML told by itself. An event that is no XID is for the pass that it wakes to explain.
    pub(super) fn take_nvml(&mut self, event: &Event) -> bool {
        if let EventKind::Xid(number) = event.kind {
            let number = number.unwrap_or(XidEvent::UNKNOWN);
            return self.take(XidEvent::of_nvml(event.at, event.pci_address.as_deref(), number));
        }
        if nvml_events::speaks_of(event.kind) {
            let same = |told: &Event| {
                told.kind == event.kind && (&told.uuid, &told.pci_address) == (&event.uuid, &event.pci_address)
            };
            self.told.retain(|told| !same(told));
            if self.told.len() >= TOLD {
                self.told.remove(0);
            }
            self.told.push(event.clone());
        }
        false
    }

    /// What NVML told that the GPUs still have to answer for, as [`Self::present`] has it of XIDs.
    pub(super) fn told(&self, fold: &Fold) -> Vec<Event> {
        let mut events = self.told.clone();
        events.retain(|event| !fold.is_past(event.at, None, [event.uuid.as_deref(), event.pci_address.as_deref()]));
        events
    }

    /// Which GPU is at which address, from a pass.
    pub(super) fn learn(&mut self, facts: &NodeFacts) {
        for gpu in &facts.nvml.gpus {
            if let (Some(address), Some(uuid)) = (&gpu.pci_address, &gpu.uuid) {
                self.ledger.learn(address, uuid);
            }
        }
    }

    /// Whether the kernel's log is being read and how many of its records were lost since it was opened, or why it is not; true
    /// when that is news.
    pub(super) fn seen(&mut self, told: Result<u64, String>) -> bool {
        self.log.told(told, Instant::now())
    }

    /// What is known of the reading of the kernel's log.
    pub(super) fn log(&self) -> &Hearing {
        &self.log
    }

    /// The XIDs that this boot's driver still has to answer for: none from before a GPU's last reset or the driver's last loading.
    pub(super) fn present(&self, fold: &Fold) -> Vec<XidEvent> {
        let mut events = self.ledger.present();
        events.retain(|event| {
            let names = [event.uuid.as_deref(), event.pci_address.as_deref()];
            !fold.is_past(event.at, event.sequence, names)
        });
        events
    }

    /// The newest record of this boot's kernel log with an XID that is known.
    pub(super) fn newest_record(&self) -> Option<u64> {
        self.ledger.newest_record()
    }

    /// How often each GPU had each XID.
    pub(super) fn counts(&self) -> Vec<Count> {
        self.ledger.counts()
    }

    /// Writes what has changed, now and then, or at once at the `end`.
    pub(super) fn keep(&mut self, end: bool) {
        let now = Instant::now();
        let kept = if end {
            self.store.write(&self.ledger, now)
        } else {
            self.store.write_if_due(&self.ledger, now)
        };
        let trouble = kept.err().map(|error| error.to_string());
        if trouble.is_some() && trouble != self.unwritten {
            tracing::error!("{}", trouble.as_deref().unwrap_or_default());
        }
        self.unwritten = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Era, Memory};
    use jiff::Timestamp;

    fn event(kind: EventKind, pci_address: Option<&str>) -> Event {
        Event {
            at: Timestamp::now(),
            pci_address: pci_address.map(str::to_owned),
            uuid: None,
            kind,
            gpu_instance: None,
            compute_instance: None,
        }
    }

    #[test]
    fn an_xid_that_nvml_cannot_name_counts_and_what_is_none_waits_for_the_next_pass_in_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            state_directory: folder.path().to_owned(),
            ..Config::default()
        };
        let (mut xids, _) = Xids::open(&config, "boot");
        assert!(
            xids.take_nvml(&event(EventKind::Xid(None), Some("0000:17:00.0"))),
            "it is news"
        );
        assert!(
            xids.take_nvml(&event(EventKind::Xid(None), None)),
            "also of a GPU that is not known"
        );
        let counts = xids.counts();
        assert!(
            counts.len() == 2 && counts.iter().all(|count| count.xid == 999),
            "{counts:?}"
        );
        for bus in 0..2 * TOLD {
            let address = format!("{bus:04x}:17:00.0");
            assert!(!xids.take_nvml(&event(EventKind::FatalPoisonError, Some(&address))));
            xids.take_nvml(&event(EventKind::FatalPoisonError, Some(&address)));
            xids.take_nvml(&event(EventKind::MigConfigChange, Some(&address)));
        }
        let mut fold = Fold::new(Vec::new(), jiff::SignedDuration::from_secs(10), Memory::default());
        assert_eq!(xids.told(&fold).len(), TOLD);
        let facts = crate::host::read_facts(std::path::Path::new("/nowhere"));
        for driver in [1, 2] {
            let era = Era {
                driver: Some(driver),
                ..Era::default()
            };
            fold.forgive(Timestamp::now(), &facts, &era, None);
        }
        assert!(xids.told(&fold).is_empty(), "the driver was loaded again");
    }
}
