//! What holds of any line of the kernel's log. Called by the fuzz target `xid_line` and by a property test.

use super::address::normalise;
use super::ledger::Ledger;
use super::line::{self, Line};
use super::reader::Reader;
use crate::host::kmsg::Record;
use jiff::Timestamp;
use std::time::Duration;

/// It is a line of NVIDIA's driver or nothing; what is read of it is of bounded size and well formed, and what is counted of it
/// is one incident at most. Each text is also read as the driver's lines begin, so that nobody has to guess that.
pub(crate) fn holds(text: &str) {
    for text in [
        text.to_owned(),
        format!("NVRM: {text}"),
        format!("NVRM: Xid (PCI:0000:17:00): {text}"),
    ] {
        well_formed(&text);
        counted_once(text);
    }
}

fn well_formed(text: &str) {
    let address = match line::parse(text) {
        None => None,
        Some(Line::Xid {
            pci_address,
            number,
            recovery,
            nvlink5,
        }) => {
            assert!(recovery.is_none() || number == 154);
            assert!(nvlink5.is_none_or(|words| words.registers.len() <= 8 && words.unit.len() <= 40));
            pci_address
        }
        Some(Line::FallenOffTheBus { pci_address }) => pci_address,
        Some(Line::Names { pci_address }) => Some(pci_address),
        Some(Line::Uuid { pci_address, uuid }) => {
            assert_eq!(uuid.len(), 40);
            Some(pci_address)
        }
    };
    if let Some(address) = address {
        assert_eq!(
            normalise(&address).as_ref(),
            Some(&address),
            "an address is in its one form"
        );
    }
}

fn counted_once(text: String) {
    let lines = text.lines().count();
    let record = Record {
        facility: 0,
        sequence: 1,
        monotonic: Duration::ZERO,
        text,
    };
    let (mut reader, mut ledger) = (Reader::default(), Ledger::new("boot"));
    let events = reader.read(&record, Timestamp::UNIX_EPOCH);
    assert!(events.len() <= lines);
    for event in &events {
        assert!(event.line.len() <= super::XidEvent::LINE);
        ledger.observe(event.clone());
    }
    let total: u64 = ledger.counts().iter().map(|count| count.total).sum();
    assert!(total <= lines as u64);
    // Read again after a restart, it is the same record.
    let kept = serde_json::to_vec(&ledger).and_then(|bytes| serde_json::from_slice::<Ledger>(&bytes));
    assert!(kept.is_ok(), "what is kept cannot be read: {kept:?}");
    let mut again = kept.unwrap_or_else(|_| Ledger::new("boot")).in_boot("boot");
    for event in events {
        assert!(!again.observe(event), "it was counted twice");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_a_line_of_the_driver_or_nothing(text in "\\PC{0,300}") {
            super::holds(&text);
        }

        #[test]
        fn so_is_a_line_with_what_the_driver_writes(
            text in "(Xid \\((PCI:)?[0-9a-f]{0,8}:[0-9a-f]{0,3}:[0-9a-f]{0,3}(\\.[0-9a-f])?( GPU-I:[0-9]{1,3})?\\): [0-9]{1,11}[,. ]|GPU (at )?[0-9a-f:.]{0,16}[ :,]|The NVIDIA GPU )[ -~\n]{0,120}(fallen off the bus|GPU-[0-9a-f-]{36}|0x[0-9a-f]{1,9})?"
        ) {
            super::holds(&text);
        }
    }
}
