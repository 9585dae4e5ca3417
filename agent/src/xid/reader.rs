//! Turns records of the kernel's log into events, remembering the little that several lines say together. Pure and of
//! constant size but for one UUID a GPU. Called by [`super::watch`].

use super::event::{Source, Xid, XidEvent, clip};
use super::line::{self, Line};
use crate::host::kmsg::Record;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// More GPUs than any host has; a driver that names more is not believed.
const GPUS: usize = 128;
/// The lines of one message follow each other at once.
const TOGETHER: Duration = Duration::from_secs(1);

/// What earlier lines said.
#[derive(Debug, Default)]
pub(super) struct Reader {
    uuids: BTreeMap<String, String>,
    named: Option<(String, Duration)>,
}

impl Reader {
    /// The events of one record, in their order. `at` is when it was written.
    pub(super) fn read(&mut self, record: &Record, at: Timestamp) -> Vec<XidEvent> {
        // The whole record must be the driver's: a later line of another's could hold what a user chose.
        if !record.is_kernel() || !record.text.trim_start().starts_with("NVRM:") {
            return Vec::new();
        }
        let mut events = Vec::new();
        for text in record.text.lines() {
            let Some(known) = line::parse(text) else {
                continue;
            };
            let (pci_address, xid, recovery, nvlink5) = match known {
                Line::Uuid { pci_address, uuid } => {
                    if self.uuids.len() < GPUS || self.uuids.contains_key(&pci_address) {
                        self.uuids.insert(pci_address, uuid);
                    }
                    continue;
                }
                Line::Names { pci_address } => {
                    self.named = Some((pci_address, record.monotonic));
                    continue;
                }
                Line::FallenOffTheBus { pci_address } => {
                    let before = self
                        .named
                        .take()
                        .filter(|(_, named)| record.monotonic.saturating_sub(*named) <= TOGETHER);
                    let pci_address = pci_address.or(before.map(|(address, _)| address));
                    (pci_address, Xid::FallenOffTheBus, None, None)
                }
                Line::Xid {
                    pci_address,
                    number,
                    recovery,
                    nvlink5,
                } => (pci_address, Xid::Number(number), recovery, nvlink5),
            };
            events.push(XidEvent {
                at,
                source: Source::KernelLog,
                sequence: Some(record.sequence),
                uuid: pci_address
                    .as_ref()
                    .and_then(|address| self.uuids.get(address).cloned()),
                pci_address,
                xid,
                line: clip(text.trim()),
                recovery,
                nvlink5,
            });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, facility: u32, text: &str) -> Record {
        Record {
            facility,
            sequence,
            monotonic: Duration::from_millis(sequence * 10),
            text: text.to_owned(),
        }
    }

    fn read(records: &[Record]) -> Vec<XidEvent> {
        let mut reader = Reader::default();
        let at = |record: &Record| Timestamp::from_second(1_000_000).unwrap() + record.monotonic;
        records
            .iter()
            .flat_map(|record| reader.read(record, at(record)))
            .collect()
    }

    #[test]
    fn only_the_kernels_own_records_count() {
        let line = "NVRM: Xid (PCI:0000:17:00): 79, GPU has fallen off the bus.";
        let events = read(&[record(1, 1, line), record(2, 3, line), record(3, 0, line)]);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].sequence, Some(3));
        assert_eq!(events[0].xid, Xid::Number(79));
        assert_eq!(events[0].line, line);
    }

    #[test]
    fn a_second_line_of_another_message_is_not_the_drivers() {
        let events = read(&[record(
            1,
            0,
            "usb 1-1: Product: a\nNVRM: Xid (PCI:0000:17:00): 79, forged",
        )]);
        assert_eq!(events, []);
    }

    #[test]
    fn the_address_of_a_message_in_several_lines_is_found_in_one_record_and_in_several() {
        let lines = [
            "NVRM: The NVIDIA GPU 0000:b3:00.0",
            "NVRM: (PCI ID: 10de:26b5) installed in this system has",
            "NVRM: fallen off the bus and is not responding to commands.",
        ];
        let apart: Vec<Record> = (1..).zip(lines).map(|(number, text)| record(number, 0, text)).collect();
        for events in [read(&apart), read(&[record(1, 0, &lines.join("\n               "))])] {
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].xid, Xid::FallenOffTheBus);
            assert_eq!(events[0].pci_address.as_deref(), Some("0000:b3:00.0"));
        }
    }

    #[test]
    fn an_address_named_long_before_is_another_message() {
        let events = read(&[
            record(1, 0, "NVRM: The NVIDIA GPU 0000:b3:00.0"),
            record(500, 0, "NVRM: fallen off the bus and is not responding to commands."),
        ]);
        assert_eq!(events[0].pci_address, None);
    }

    #[test]
    fn the_uuid_comes_from_the_line_that_named_the_gpu() {
        let uuid = "GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7";
        let events = read(&[
            record(1, 0, &format!("NVRM: GPU at PCI:0000:17:00: {uuid}")),
            record(2, 0, "NVRM: Xid (PCI:0000:17:00): 13, pid=7"),
            record(3, 0, "NVRM: Xid (PCI:0000:65:00): 13, pid=7"),
        ]);
        assert_eq!(events[0].uuid.as_deref(), Some(uuid));
        assert_eq!(events[1].uuid, None);
    }

    #[test]
    fn a_driver_that_names_gpus_without_end_fills_no_memory() {
        let mut reader = Reader::default();
        for number in 0..2000_u64 {
            let line = format!("NVRM: GPU at PCI:{number:04x}:03:00: GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7");
            reader.read(&record(number, 0, &line), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(reader.uuids.len(), GPUS);
    }
}
