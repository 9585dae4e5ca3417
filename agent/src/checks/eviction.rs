//! At what kubelet evicts pods, as somebody has told it or by its defaults. Called by the checks of disk and memory.

use crate::host::kubelet::DEFAULTS;
use bedplate_protocol::NodeFacts;

/// A threshold of kubelet's, as it is written: `15%`, `100Mi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Threshold {
    /// As it is written, and whose it is: for people.
    pub(super) words: String,
    amount: Amount,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    /// Hundredths of a percent of what there is in all.
    Share(u64),
    /// Bytes, or inodes.
    Absolute(u64),
}

impl Threshold {
    /// Of a signal (`imagefs.available`). Whoever gives kubelet one threshold gives all: "the values of other parameters will not be
    /// inherited as the default values and will be set to zero" (kubernetes.io, "Node-pressure Eviction", "Hard eviction
    /// thresholds", read 2026-11-22), and zero is none.
    pub(super) fn of(facts: &NodeFacts, signal: &str) -> Option<Self> {
        let (text, whose) = if let Some(told) = &facts.kubelet_eviction_hard {
            (told.get(signal)?.as_str(), "")
        } else {
            let (_, default) = DEFAULTS.iter().find(|(name, _)| *name == signal)?;
            (*default, " by its defaults")
        };
        let amount = amount(text.trim())?;
        let words = format!("below {text} kubelet evicts pods{whose}");
        (!matches!(amount, Amount::Share(0) | Amount::Absolute(0))).then_some(Self { words, amount })
    }

    /// Less than so much is too little, of so much in all.
    pub(super) fn limit(&self, total: u64) -> u64 {
        match self.amount {
            Amount::Share(share) => u64::try_from(u128::from(total) * u128::from(share) / 10_000).unwrap_or(u64::MAX),
            Amount::Absolute(amount) => amount,
        }
    }
}

/// A percentage or a quantity of Kubernetes (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity, read 2026-11-22);
/// neither thousandths nor exponents, which nobody writes here.
fn amount(text: &str) -> Option<Amount> {
    if let Some(percent) = text.strip_suffix('%') {
        return hundredths(percent).map(Amount::Share);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let unit: u64 = match suffix {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        _ => return None,
    };
    let whole = u128::from(hundredths(number)?) * u128::from(unit) / 100;
    u64::try_from(whole).ok().map(Amount::Absolute)
}

/// `1.5` as 150.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<2}");
    let part: u64 = part.get(..2)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thresholds_read_as_kubelet_reads_them() {
        for (text, limit) in [
            ("15%", Some(150)),
            ("12.5%", Some(125)),
            ("100", Some(100)),
            ("1Ki", Some(1024)),
            ("1.5Gi", Some(3 << 29)),
            ("2G", Some(2_000_000_000)),
            ("Gi", None),
            ("1Zi", None),
            ("", None),
            ("-1%", None),
        ] {
            let read = amount(text).map(|amount| {
                Threshold {
                    words: String::new(),
                    amount,
                }
                .limit(1000)
            });
            assert_eq!(read, limit, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", total in any::<u64>()) {
            if let Some(amount) = amount(&text) {
                Threshold { words: String::new(), amount }.limit(total);
            }
        }
    }
}
