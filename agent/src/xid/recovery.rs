//! What the driver itself says must be done to a GPU: the text of XID 154 and NVML's field 230 have the same numbers. Pure.
//! Called by [`super::line`] and by whoever asks [`super::reading`].

use bedplate_protocol::RecommendedAction;
use serde::{Deserialize, Serialize};

/// `nvmlDeviceGpuRecoveryAction_t` (nvml.h of go-nvml v0.13.4-0, read 2026-11-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Recovery {
    /// 0: nothing.
    None,
    /// 1: reset the GPU.
    GpuReset,
    /// 2: reboot the node.
    NodeReboot,
    /// 3: end what uses peer-to-peer traffic.
    DrainPeerToPeer,
    /// 4: drain, then reset the GPU.
    DrainAndReset,
    /// 5: recover the IMEX domain.
    ImexDomain,
    /// 6: reset the PCIe bus.
    BusReset,
    /// 7: reboot the system.
    SystemReboot,
    /// A number that this build does not know.
    Unknown(u32),
    /// Words that this build does not know, and no number.
    UnknownWords,
}

impl Recovery {
    /// The action of a number.
    pub(crate) fn of(number: u32) -> Self {
        match number {
            0 => Self::None,
            1 => Self::GpuReset,
            2 => Self::NodeReboot,
            3 => Self::DrainPeerToPeer,
            4 => Self::DrainAndReset,
            5 => Self::ImexDomain,
            6 => Self::BusReset,
            7 => Self::SystemReboot,
            other => Self::Unknown(other),
        }
    }

    /// The rung of the ladder. An action that nobody here knows needs a person.
    pub(crate) fn action(self) -> Option<RecommendedAction> {
        match self {
            Self::None => None,
            Self::DrainPeerToPeer => Some(RecommendedAction::RestartApp),
            Self::GpuReset | Self::DrainAndReset => Some(RecommendedAction::ResetGpu),
            Self::NodeReboot | Self::SystemReboot => Some(RecommendedAction::Reboot),
            Self::BusReset => Some(RecommendedAction::PowerCycle),
            Self::ImexDomain | Self::Unknown(_) | Self::UnknownWords => Some(RecommendedAction::Service),
        }
    }

    /// The action that XID 154 changes to. Its words differ between drivers ("Node Reboot Required", "OS Reboot"), its
    /// number does not, so the number counts, and words only where a driver wrote none. Words that nobody here knows are a demand
    /// all the same.
    pub(crate) fn in_text(text: &str) -> Option<Self> {
        let (_, change) = text.split_once("recovery action changed from")?;
        let (_, to) = change.split_once(" to ")?;
        let to = to.trim();
        if let Some(hexadecimal) = to.strip_prefix("0x") {
            let length = hexadecimal.bytes().take_while(u8::is_ascii_hexdigit).count();
            let number = hexadecimal
                .get(..length)
                .and_then(|digits| u32::from_str_radix(digits, 16).ok());
            return Some(number.map_or(Self::UnknownWords, Self::of));
        }
        // NVIDIA's five words, where the number is missing (analyzing-xid-catalog.html, row 154, read 2026-11-21).
        match to.trim_start_matches('(').trim_end_matches(['.', ')']) {
            "None" => Some(Self::None),
            "GPU Reset Required" => Some(Self::GpuReset),
            "Node Reboot Required" => Some(Self::NodeReboot),
            "Drain P2P" => Some(Self::DrainPeerToPeer),
            "Drain and Reset" => Some(Self::DrainAndReset),
            _ => Some(Self::UnknownWords),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_after_the_change_counts_whatever_the_words_are() {
        for (text, action) in [
            (
                "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)",
                Recovery::NodeReboot,
            ),
            (
                "GPU recovery action changed from 0x0 (None) to 0x2 (OS Reboot)",
                Recovery::NodeReboot,
            ),
            (
                "GPU recovery action changed from 0x0 (None) to 0x1 (PF FLR)",
                Recovery::GpuReset,
            ),
            (
                "GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)",
                Recovery::None,
            ),
            (
                "GPU recovery action changed from 0x0 (None) to 0x2a (New)",
                Recovery::Unknown(42),
            ),
            (
                "GPU recovery action changed from None to (Drain and Reset)",
                Recovery::DrainAndReset,
            ),
            (
                "GPU recovery action changed from 0x0 (None) to (Fabric Reset Required)",
                Recovery::UnknownWords,
            ),
            ("GPU recovery action changed from a to 0x", Recovery::UnknownWords),
        ] {
            assert_eq!(Recovery::in_text(text), Some(action), "{text}");
        }
    }

    #[test]
    fn other_text_says_nothing() {
        for text in ["", "GPU recovery action changed from 0x0", "to 0x1 (x)"] {
            assert_eq!(Recovery::in_text(text), None, "{text}");
        }
    }

    #[test]
    fn an_unknown_action_is_as_grave_as_the_gravest() {
        assert_eq!(Recovery::of(99).action(), Some(RecommendedAction::Service));
        assert_eq!(Recovery::UnknownWords.action(), Some(RecommendedAction::Service));
        assert_eq!(Recovery::of(0).action(), None);
    }
}
