//! One line of NVIDIA's driver in the kernel's log. Pure: any text is something known or nothing, never a panic. Called by
//! [`super::reader`] and by the fuzz target `xid_line`.
//!
//! Forms: docs.nvidia.com/deploy/xid-errors (read 2026-11-21) and lines of real machines. A line counts only when it begins
//! with the driver's name: elsewhere in a line may stand what a user chose, such as the name of a process.

use super::address::normalise;
use super::nvlink5::Words;
use super::recovery::Recovery;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// An XID.
    Xid {
        /// `0000:17:00.0`; absent where the driver's text for it is none.
        pci_address: Option<String>,
        /// Its number.
        number: u32,
        /// What XID 154 changes to.
        recovery: Option<Recovery>,
        /// The words of XIDs 144 to 150.
        nvlink5: Option<Words>,
    },
    /// A GPU has fallen off the bus, said without an XID; the address may have stood in a line before.
    FallenOffTheBus {
        /// `0000:17:00.0`.
        pci_address: Option<String>,
    },
    /// The first line of those that say so at length.
    Names {
        /// `0000:17:00.0`.
        pci_address: String,
    },
    /// Which GPU is at an address.
    Uuid {
        /// `0000:17:00.0`.
        pci_address: String,
        /// `GPU-…`.
        uuid: String,
    },
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Option<Line> {
    let text = line.trim().strip_prefix("NVRM:")?.trim_start();
    if let Some(rest) = text.strip_prefix("Xid (") {
        return xid(rest);
    }
    let fallen = text.contains("fallen off the bus");
    for prefix in ["GPU at ", "The NVIDIA GPU at ", "The NVIDIA GPU ", "GPU "] {
        let Some(rest) = text.strip_prefix(prefix) else {
            continue;
        };
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        let Some(pci_address) = normalise(word.trim_end_matches([':', ',', '.'])) else {
            continue;
        };
        if fallen {
            return Some(Line::FallenOffTheBus {
                pci_address: Some(pci_address),
            });
        }
        if is_uuid(after.trim()) {
            return Some(Line::Uuid {
                pci_address,
                uuid: after.trim().to_owned(),
            });
        }
        return prefix.starts_with("The").then_some(Line::Names { pci_address });
    }
    fallen.then_some(Line::FallenOffTheBus { pci_address: None })
}

/// What follows `Xid (`: `PCI:0000:17:00): 79, pid=…`, under MIG `PCI:0000:17:00 GPU-I:05): 43, …`.
fn xid(rest: &str) -> Option<Line> {
    let (device, rest) = rest.split_once("):")?;
    let rest = rest.trim_start();
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, text) = rest.split_at(length);
    let number = number.parse().ok()?;
    // A comma, or the end: "14.5" or "79x" is no number of an XID.
    if !text.is_empty() && !text.starts_with([',', ' ', ':']) {
        return None;
    }
    let device = device.split(' ').next().unwrap_or_default();
    Some(Line::Xid {
        pci_address: normalise(device),
        number,
        recovery: (number == 154).then(|| Recovery::in_text(text)).flatten(),
        nvlink5: (144..=150).contains(&number).then(|| Words::in_text(text)).flatten(),
    })
}

/// `GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7`.
fn is_uuid(text: &str) -> bool {
    text.strip_prefix("GPU-").is_some_and(|rest| {
        rest.len() == 36
            && rest.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    })
}

#[cfg(test)]
mod tests;
