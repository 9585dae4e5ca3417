//! Any text is a line of NVIDIA's driver or nothing; what is read of it is of bounded size and well formed.
#![no_main]
#![allow(dead_code, reason = "the agent's own source files, of which only the parser is called")]

#[path = "../../src/xid/address.rs"]
mod address;
#[path = "../../src/xid/line.rs"]
mod line;
#[path = "../../src/xid/nvlink5/words.rs"]
mod words;
mod nvlink5 {
    pub(crate) use super::words::Words;
}
#[path = "../../src/xid/recovery.rs"]
mod recovery;

use line::Line;

libfuzzer_sys::fuzz_target!(|text: &str| {
    // Each input also begins as the driver's lines do, so that libFuzzer need not find that out.
    for text in [text.to_owned(), format!("NVRM: {text}"), format!("NVRM: Xid (PCI:0000:17:00): {text}")] {
        let address = match line::parse(&text) {
            None => continue,
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
            assert_eq!(address::normalise(&address).as_ref(), Some(&address), "an address is in its one form");
        }
    }
});
