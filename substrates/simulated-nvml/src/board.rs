//! What one GPU answers: the scenario's value where it has one, else the profile's. Called by the ABI's functions.

use crate::generate;
use crate::profiles::Profile;
use crate::scenario::{Ecc, Gpu, PcieLink, Power, RowRemapping};

/// A GPU of a scenario with its profile.
#[derive(Clone, Copy)]
pub(crate) struct Board<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) profile: &'static Profile,
}

impl<'a> Board<'a> {
    pub(crate) fn of(gpu: &'a Gpu) -> Self {
        Self {
            gpu,
            profile: gpu.profile.profile(),
        }
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

    pub(crate) fn temperature(&self) -> Option<u32> {
        self.gpu.temperature_celsius.or(self.profile.temperature_celsius)
    }

    pub(crate) fn power(&self) -> Option<Power> {
        self.gpu.power.or(Some(Power {
            usage_milliwatts: self.profile.power_usage_milliwatts?,
            limit_milliwatts: self.profile.power_limit_milliwatts?,
        }))
    }

    pub(crate) fn ecc(&self) -> Option<Ecc> {
        self.gpu.ecc.or(Some(Ecc {
            enabled: self.profile.ecc_enabled?,
            corrected_volatile: 0,
            uncorrected_volatile: 0,
        }))
    }

    pub(crate) fn row_remapping(&self) -> Option<RowRemapping> {
        self.gpu
            .row_remapping
            .or(self.profile.row_remapping.then(RowRemapping::default))
    }

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

    pub(crate) fn recovery_action(&self) -> Option<u32> {
        self.gpu.recovery_action.or(self.profile.recovery_action)
    }

    pub(crate) fn memory_total_bytes(&self) -> u64 {
        self.profile.memory_mib << 20
    }

    /// Never more than there is.
    pub(crate) fn memory_used_bytes(&self) -> u64 {
        let used = self.gpu.memory_used_mib.unwrap_or_else(|| {
            self.gpu
                .processes
                .iter()
                .fold(0, |sum, process| sum.saturating_add(process.memory_mib))
        });
        used.saturating_mul(1 << 20).min(self.memory_total_bytes())
    }
}
