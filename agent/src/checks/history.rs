//! What earlier passes have seen, for checks that judge a while and not a moment.
//!
//! Kept by the daemon, a pass at a time; a one-shot `check` has none, and such checks then say less. Bounded: at most
//! [`WINDOW`] of samples, or [`LEAST`] where passes are further apart, and only the values that a check compares. Touches nothing
//! outside itself.

use crate::gpu::Event;
use crate::xid::XidEvent;
use bedplate_protocol::NodeFacts;
use bedplate_protocol::facts::{BlockedProcess, GpuFacts, NvLinkFacts};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// How far back samples reach.
pub(crate) const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// So many are kept however old they are: a check that asks for several passes in a row must be able to get them at any interval.
const LEAST: usize = 6;
/// More samples than this are never kept, however short the interval: ten minutes at a pass each second.
const MOST: usize = 600;

/// Earlier passes.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Oldest first; the pass under judgement is not among them.
    pub(crate) samples: VecDeque<Sample>,
    /// What the driver has reported in this boot and still has to answer for, oldest first.
    pub(crate) xids: Vec<XidEvent>,
    /// What NVML told by itself since the driver was loaded or the GPU reset, beside XIDs: the last of each GPU and kind.
    pub(crate) nvml_events: Vec<Event>,
    /// Why the kernel's log could not be read; absent where it could, or where nobody has tried.
    pub(crate) kernel_log_unreadable: Option<String>,
    /// Records of the kernel's log that were overwritten before they were read, no longer ago than [`WINDOW`].
    pub(crate) kernel_log_lost: u64,
    /// The version in the name of NVML's library when the agent was started; absent in a one-shot check.
    pub(crate) library_at_start: Option<String>,
}

/// What is kept of one pass.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// When it was made.
    pub(crate) at: Timestamp,
    /// The GPUs that could be told apart.
    pub(crate) gpus: Vec<GpuSample>,
    /// Processes that slept uninterruptibly.
    pub(crate) blocked: Vec<BlockedProcess>,
}

/// What is kept of one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GpuSample {
    /// `GPU-…`.
    pub(crate) uuid: String,
    /// As in [`GpuFacts`].
    pub(crate) clock_event_reasons: Option<u64>,
    /// As in [`GpuFacts`].
    pub(crate) ecc_corrected_volatile: Option<u64>,
    /// As in [`GpuFacts`].
    pub(crate) pcie_replays: Option<u64>,
    /// As in [`GpuFacts`].
    pub(crate) nvlinks: Vec<NvLinkFacts>,
}

impl History {
    /// Adds a pass that has been judged and forgets what is older than [`WINDOW`].
    pub(crate) fn record(&mut self, facts: &NodeFacts) {
        if self.library_at_start.is_none() && self.samples.is_empty() {
            self.library_at_start.clone_from(&facts.nvidia.library_version);
        }
        let at = facts.time.now;
        // A clock that was set back makes the later samples useless.
        self.samples.retain(|sample| sample.at < at);
        while self.samples.len() >= LEAST
            && self
                .samples
                .front()
                .is_some_and(|oldest| at.duration_since(oldest.at) > WINDOW)
        {
            self.samples.pop_front();
        }
        while self.samples.len() >= MOST {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            at,
            gpus: facts.nvml.gpus.iter().filter_map(GpuSample::of).collect(),
            blocked: facts.blocked_processes.clone(),
        });
    }

    /// A GPU's samples, oldest first, each with its time.
    pub(super) fn of<'h>(&'h self, gpu: &'h GpuFacts) -> impl DoubleEndedIterator<Item = (Timestamp, &'h GpuSample)> {
        self.samples.iter().filter_map(|sample| {
            let same = |old: &&GpuSample| Some(&old.uuid) == gpu.uuid.as_ref();
            Some((sample.at, sample.gpus.iter().find(same)?))
        })
    }
}

impl GpuSample {
    /// What is kept of a GPU; nothing of one whose identity was not read.
    pub(super) fn of(gpu: &GpuFacts) -> Option<Self> {
        Some(Self {
            uuid: gpu.uuid.clone()?,
            clock_event_reasons: gpu.clock_event_reasons,
            ecc_corrected_volatile: gpu.ecc_corrected_volatile,
            pcie_replays: gpu.pcie_replays,
            nvlinks: gpu.nvlinks.clone(),
        })
    }
}

/// How much a counter has grown since the oldest sample after its last fall, and in what time. A counter begins again when
/// the driver is loaded or the GPU is reset. Absent when no earlier value is known.
pub(super) fn growth(
    earlier: impl DoubleEndedIterator<Item = (Timestamp, u64)>,
    now: (Timestamp, u64),
) -> Option<(u64, SignedDuration)> {
    let mut oldest = None;
    let mut above = now.1;
    for (at, value) in earlier.rev() {
        if value > above || at >= now.0 {
            break;
        }
        above = value;
        oldest = Some((at, value));
    }
    let (at, value) = oldest?;
    Some((now.1 - value, now.0.duration_since(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_counter_that_began_again_is_counted_from_there() {
        let seen = [(at(0), 900), (at(10), 901), (at(20), 2), (at(30), 5)];
        let (grown, within) = growth(seen.into_iter(), (at(40), 9)).unwrap();
        assert_eq!((grown, within), (7, SignedDuration::from_secs(20)));
        assert_eq!(growth(std::iter::empty(), (at(0), 9)), None);
        assert_eq!(
            growth([(at(0), 10)].into_iter(), (at(10), 9)),
            None,
            "it has just begun again"
        );
    }

    proptest! {
        #[test]
        fn growth_is_never_more_than_the_counter_itself(values in proptest::collection::vec(0u64..1000, 0..20), now in 0u64..1000) {
            let seen = values.iter().enumerate().map(|(n, value)| (at(i64::try_from(n).unwrap()), *value)).collect::<Vec<_>>();
            if let Some((grown, within)) = growth(seen.into_iter(), (at(100), now)) {
                prop_assert!(grown <= now && within > SignedDuration::ZERO);
            }
        }
    }
}
