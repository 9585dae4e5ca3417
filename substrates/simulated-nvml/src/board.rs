//! What one GPU answers: the scenario's value where it has one, else the profile's. Called by the ABI's functions.
//!
//! `memory`, `telemetry` and `links` hold what belongs to each; `None` is always a value that NVML answers `NOT_SUPPORTED` for.

mod links;
mod memory;
mod telemetry;

use std::time::Duration;

use crate::generate;
use crate::profiles::Profile;
use crate::scenario::{Gpu, Mig, Platform, Scenario, Series};

pub(crate) use links::Link;

/// A GPU of a scenario with its profile, at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Board<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) profile: &'static Profile,
    /// Since the scenario was written: where series have got to.
    since: Duration,
}

impl<'a> Board<'a> {
    /// The GPU at this position, this long after the scenario was written.
    pub(crate) fn at(scenario: &'a Scenario, position: usize, since: Duration) -> Option<Self> {
        let gpu = scenario.gpus.get(position)?;
        Some(Self {
            gpu,
            profile: gpu.profile.profile(),
            since,
        })
    }

    /// A series as it is now.
    fn now<T: Copy + Default + Into<i128> + TryFrom<i128>>(&self, series: &Series<T>) -> T {
        series.at(self.since)
    }

    pub(crate) fn name(&self) -> &'a str {
        self.gpu.name.as_deref().unwrap_or(self.profile.product_name)
    }

    pub(crate) fn uuid(&self) -> String {
        self.gpu
            .uuid
            .clone()
            .unwrap_or_else(|| generate::uuid(generate::digest(&self.gpu.pci_address.to_string())))
    }

    pub(crate) fn vbios_version(&self) -> Option<&'a str> {
        self.gpu.vbios_version.as_deref().or(self.profile.vbios_version)
    }

    pub(crate) fn inforom_version(&self) -> Option<&'a str> {
        self.gpu.inforom_version.as_deref().or(self.profile.inforom_version)
    }

    /// A product whose infoROM has a version has an infoROM; nothing is wrong with a healthy one's.
    pub(crate) fn inforom_valid(&self) -> Option<bool> {
        self.gpu.inforom_valid.or(self.inforom_version().map(|_| true))
    }

    pub(crate) fn recovery_action(&self) -> Option<u32> {
        self.gpu
            .recovery_action
            .as_ref()
            .map(|series| self.now(series))
            .or(self.profile.recovery_action)
    }

    /// `None` where there is no MIG at all.
    pub(crate) fn mig(&self) -> Option<Mig> {
        self.gpu
            .mig
            .clone()
            .or(self.profile.mig_devices.map(|_| Mig::default()))
    }

    pub(crate) fn platform(&self) -> Option<&'a Platform> {
        self.gpu.platform.as_ref()
    }
}
