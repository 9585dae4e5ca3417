//! The observer's XIDs: what the kernel's log and NVML report, counted once, kept over restarts. Called by
//! [`super::observer`] only.

use super::Config;
use super::hearing::Hearing;
use crate::gpu::{Event, EventKind};
use crate::xid::{Count, Ledger, Store, XidEvent};
use bedplate_protocol::NodeFacts;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Instant;

/// Everything about XIDs.
#[derive(Debug)]
pub(super) struct Xids {
    ledger: Ledger,
    store: Store,
    log: Hearing,
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

    /// The same for what NVML told by itself; an event that is no XID is for the next pass to explain.
    pub(super) fn take_nvml(&mut self, event: &Event) -> bool {
        match (event.kind, &event.pci_address) {
            (EventKind::Xid(Some(number)), Some(address)) => {
                self.ledger.observe(XidEvent::of_nvml(event.at, address, number))
            }
            _ => false,
        }
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
    pub(super) fn present(&self, forgiven: &BTreeMap<String, Timestamp>) -> Vec<XidEvent> {
        let mut events = self.ledger.present();
        events.retain(|event| {
            let names = [event.uuid.as_deref(), event.pci_address.as_deref(), Some("*")];
            !names
                .into_iter()
                .flatten()
                .filter_map(|name| forgiven.get(name))
                .any(|until| event.at <= *until)
        });
        events
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
