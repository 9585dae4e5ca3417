//! PCIe and `NVLink`.

use super::Board;
use crate::scenario::{PcieLink, Remote, Series};

/// One `NVLink`, as it is now.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) active: bool,
    /// In the order of `nvmlNvLinkErrorCounter_t`: replay, recovery, CRC of flow control digits, CRC of data, ECC of data.
    pub(crate) errors: [u64; 5],
    pub(crate) version: Option<u32>,
    pub(crate) remote: Option<Remote>,
}

impl Board<'_> {
    pub(crate) fn pcie_generation(&self) -> Option<u32> {
        self.gpu
            .pcie
            .map(|PcieLink { generation, .. }| generation)
            .or(self.profile.pcie_generation)
    }

    pub(crate) fn pcie_width(&self) -> Option<u32> {
        self.gpu
            .pcie
            .map(|PcieLink { width, .. }| width)
            .or(self.profile.pcie_width)
    }

    /// A healthy link has none; NVML counts them on every product (`nvmlDeviceGetPcieReplayCounter`: "Kepler or newer").
    pub(crate) fn pcie_replays(&self) -> u32 {
        self.gpu.pcie_replays.as_ref().map_or(0, |series| self.now(series))
    }

    pub(crate) fn pcie_replay_rollovers(&self) -> u32 {
        self.gpu
            .pcie_replay_rollovers
            .as_ref()
            .map_or(0, |series| self.now(series))
    }

    /// How many `NVLink`s there are; `None` where the profile has no source for it.
    pub(crate) fn link_count(&self) -> Option<usize> {
        match &self.gpu.nvlinks {
            Some(links) => Some(links.len()),
            None => self.profile.nvlinks.map(|links| links.count as usize),
        }
    }

    /// An `NVLink` by its number; `None` where there is no such link.
    pub(crate) fn link(&self, number: usize) -> Option<Link> {
        let version = self.profile.nvlinks.map(|links| links.version);
        let Some(links) = &self.gpu.nvlinks else {
            return (number < self.link_count()?).then_some(Link {
                active: true,
                errors: [0; 5],
                version,
                remote: None,
            });
        };
        let link = links.get(number)?;
        let now = |series: &Series<u64>| self.now(series);
        Some(Link {
            active: link.active,
            errors: [
                now(&link.replays),
                now(&link.recoveries),
                now(&link.crc_errors),
                now(&link.crc_data_errors),
                now(&link.ecc_errors),
            ],
            version: link.version.or(version),
            remote: link.remote,
        })
    }
}
