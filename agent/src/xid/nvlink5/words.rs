//! The words of XIDs 144 to 150, which `NVLink` 5 has, as they stand. Pure. Called by [`crate::xid`]'s parser of lines.
//!
//! Form (analyzing-xid-catalog.html, `WORKFLOW_NVLINK5_ERR`, read 2026-11-21): `<unit> <Fatal|Nonfatal> <cross contain>
//! <injected> <link> (<intrInfo> <errorStatus> <errorDebugData…>)`.

use serde::{Deserialize, Serialize};

/// No driver writes more registers.
const REGISTERS: usize = 8;
/// No unit has a longer name.
const UNIT: usize = 40;

/// What the driver wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Words {
    /// `RLW_SRC_TRACK`.
    pub(crate) unit: String,
    /// Whether the driver itself calls it fatal.
    pub(crate) fatal: bool,
    /// The link; absent where the driver writes -1, for all.
    pub(crate) link: Option<u32>,
    /// `intrInfo`, `errorStatus`, then the rest.
    pub(crate) registers: Vec<u32>,
}

impl Words {
    /// The words at the end of a line; nothing where they have another form.
    pub(crate) fn in_text(text: &str) -> Option<Self> {
        let (head, registers) = text.trim_end().rsplit_once('(')?;
        let (registers, _) = registers.split_once(')')?;
        let registers: Vec<u32> = registers
            .split_ascii_whitespace()
            .take(REGISTERS)
            .map(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok())
            .collect::<Option<_>>()?;
        // A process's name may stand before, with commas of its own; the words are after the last.
        let head = head.rsplit_once(',').map_or(head, |(_, head)| head);
        let words: Vec<&str> = head.split_ascii_whitespace().collect();
        let place = words
            .iter()
            .position(|word| matches!(*word, "Fatal" | "Nonfatal" | "Non-fatal"))?;
        let unit = words.get(..place)?.join(" ");
        if unit.is_empty() || unit.len() > UNIT {
            return None;
        }
        let link = words
            .iter()
            .position(|word| *word == "Link")
            .and_then(|at| words.get(at + 1)?.parse().ok());
        Some(Self {
            unit,
            fatal: words.get(place) == Some(&"Fatal"),
            link,
            registers,
        })
    }

    /// `intrInfo`.
    pub(crate) fn info(&self) -> Option<u32> {
        self.registers.first().copied()
    }

    /// `errorStatus`.
    pub(crate) fn status(&self) -> Option<u32> {
        self.registers.get(1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_real_machines_are_read() {
        let words = Words::in_text(
            ", NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x004505c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000)",
        )
        .unwrap();
        assert_eq!(words.unit, "NETIR_LINK_EVT");
        assert!(words.fatal);
        assert_eq!(words.link, Some(8));
        assert_eq!((words.info(), words.status()), (Some(0x0045_05c6), Some(0)));
        let words = Words::in_text(", pid=7, name=a (b), c, NETIR Fatal XC0 i0 Link -1 (0x000fe406 0x0)").unwrap();
        assert_eq!((words.unit.as_str(), words.link), ("NETIR", None));
        let words = Words::in_text(", MSE Degraded Fatal XC0 i0 Link -1 (0x0 0xffffffff)").unwrap();
        assert_eq!((words.unit.as_str(), words.status()), ("MSE Degraded", Some(u32::MAX)));
    }

    #[test]
    fn other_forms_are_left_as_they_are() {
        for text in [
            "",
            ", NETIR Fatal XC0 i0 Link -1 (0x000fe406",
            ", NETIR (0x1 0x2)",
            ", Fatal (0x1)",
            ", A Fatal (1 2)",
        ] {
            assert_eq!(Words::in_text(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_words_of_bounded_size(text in ".{0,600}", unit in "[A-Z_]{1,60}") {
            for text in [text.clone(), format!(", {unit} Fatal {text} (0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8 0x9 0xa)")] {
                if let Some(words) = Words::in_text(&text) {
                    prop_assert!(words.registers.len() <= REGISTERS && words.unit.len() <= UNIT);
                }
            }
        }
    }
}
