//! XIDs 144 to 150 decoded by NVIDIA's own table, made of `nvlink5.yaml` by the build. Pure; a combination that the table does
//! not have is not guessed. Called by [`super::reading`].

mod words;

use super::catalogue::{Bucket, Severity, Source};
pub(crate) use words::Words;

include!(concat!(env!("OUT_DIR"), "/xid_nvlink5.rs"));

/// NVIDIA's own severity of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fatality {
    /// Nothing goes down.
    NonFatal,
    /// The link goes down; the GPU is to be drained and reset.
    LinkFatal,
    /// All links go down and every channel ends.
    Fatal,
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) xid: u32,
    units: &'static [&'static str],
    reason: u32,
    status: Option<u32>,
    immediate: Bucket,
    fatality: Fatality,
    pub(crate) investigatory: &'static str,
    escalates: Option<(u32, u32)>,
    pub(crate) source: &'static Source,
}

impl Rule {
    /// What NVIDIA wants done at once: for an error that is promoted by its first register, its second action.
    pub(crate) fn immediate(&self, words: &Words) -> Bucket {
        let promoted = self
            .escalates
            .zip(words.info())
            .is_some_and(|((before, from), info)| info & 0x7ff == before || info & 0xff == from);
        if promoted { Bucket::ResetGpu } else { self.immediate }
    }

    /// Ours.
    pub(crate) fn severity(&self, words: &Words) -> Severity {
        match (self.immediate(words), self.fatality) {
            (Bucket::Ignore, Fatality::NonFatal) => Severity::Info,
            (Bucket::Ignore, _) => Severity::Warn,
            (Bucket::Xid154Eval, _) => Severity::App,
            _ => Severity::Fatal,
        }
    }
}

/// The row for what the driver wrote.
pub(crate) fn decode(xid: u32, words: &Words) -> Option<&'static Rule> {
    let reason = words.info()? >> 20 & 0x3f;
    RULES.iter().find(|rule| {
        rule.xid == xid
            && rule.units.contains(&words.unit.as_str())
            && rule.reason == reason
            && rule.status.is_none_or(|status| Some(status) == words.status())
    })
}

/// How many rows there are.
pub(crate) fn len() -> usize {
    RULES.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        Words::in_text(text).unwrap()
    }

    #[test]
    fn the_same_status_means_what_its_unit_says() {
        let remap = words(", RLW_REMAP Nonfatal XC0 i0 Link 01 (0x00000082 0x00000001)");
        let rule = decode(145, &remap).unwrap();
        assert_eq!(
            (rule.immediate(&remap), rule.severity(&remap)),
            (Bucket::Xid154Eval, Severity::App)
        );
        let track = words(", RLW_SRC_TRACK Fatal XC0 i0 Link 01 (0x000000e2 0x00000001)");
        let rule = decode(145, &track).unwrap();
        assert_eq!(
            (rule.immediate(&track), rule.severity(&track)),
            (Bucket::ResetGpu, Severity::Fatal)
        );
    }

    #[test]
    fn why_a_link_went_down_is_in_bits_20_to_25() {
        let down = words(", NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x004505c6 0x00000000 0x0)");
        assert_eq!(decode(149, &down).unwrap().investigatory, "INVESTIGATE_LINK_SI");
        let ignored = words(", NETIR_LINK_DOWN Fatal XC0 i0 Link 08 (0x02600011 0x00000000 0x0)");
        let rule = decode(149, &ignored).unwrap();
        assert_eq!(
            (rule.immediate(&ignored), rule.severity(&ignored)),
            (Bucket::Ignore, Severity::Warn)
        );
        let unknown = words(", NETIR_LINK_DOWN Fatal XC0 i0 Link 08 (0x03f00011 0x00000000 0x0)");
        assert_eq!(decode(149, &unknown), None);
    }

    #[test]
    fn a_promoted_error_asks_for_a_reset_before_and_after_r575() {
        let plain = words(", RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x040980c2 0x00000001)");
        let rule = decode(145, &plain).unwrap();
        assert_eq!(rule.immediate(&plain), Bucket::Ignore);
        for promoted in ["0x040984c2", "0x04098086"] {
            let words = words(&format!(", RLW_RXPIPE Fatal XC0 i0 Link 13 ({promoted} 0x00000001)"));
            assert_eq!(
                decode(145, &words).unwrap().immediate(&words),
                Bucket::ResetGpu,
                "{promoted}"
            );
        }
    }

    #[test]
    fn another_xid_or_status_is_not_decoded() {
        let words = words(", SAW_MVB Fatal XC0 i0 Link 1 (0x00000021 0x00000040)");
        assert_eq!(decode(144, &words), None);
        let words = Words {
            registers: Vec::new(),
            ..words
        };
        assert_eq!(decode(144, &words), None);
    }
}
