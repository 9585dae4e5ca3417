//! A healthy scenario for a host. Called by a substrate when it makes a simulated host; the library never calls it.

use crate::profiles::ProfileName;
use crate::scenario::{Gpu, PciAddress, Scenario};

impl Scenario {
    /// A host with these GPUs, all healthy. `host` makes UUIDs and serial numbers differ from host to host and stay the same from run to run.
    ///
    /// Driver and CUDA versions belong together: CUDA 13.0 is what driver 580 supports (CUDA Toolkit 13.0 release notes, table 2, 2025-08).
    pub fn for_host(host: &str, driver_version: &str, cuda_version: &str, gpus: &[(ProfileName, u32)]) -> Self {
        let cuda_major = cuda_version.split('.').next().unwrap_or_default();
        let all = gpus
            .iter()
            .flat_map(|(profile, count)| (0..*count).map(move |_| *profile));
        let gpus = (0_u32..).zip(all).map(|(minor, profile)| {
            let seed = digest(&format!("{host}/{minor}"));
            Gpu {
                uuid: Some(uuid(seed)),
                // Data centre boards carry a serial number of 13 digits (k8s-test-infra, profile h100).
                serial: profile
                    .profile()
                    .has_serial
                    .then(|| format!("{:013}", seed % 10_u128.pow(13))),
                ..Gpu::healthy(profile, address(minor), minor)
            }
        });
        Self {
            driver_version: driver_version.to_owned(),
            nvml_version: format!("{cuda_major}.{driver_version}"),
            cuda_version: cuda_version.to_owned(),
            gpus: gpus.collect(),
            init: None,
            hang: None,
            returns: std::collections::BTreeMap::new(),
            newest_struct_versions: std::collections::BTreeMap::new(),
            latency: None,
            events: Vec::new(),
        }
    }
}

impl Gpu {
    /// A GPU that answers as its profile does.
    pub fn healthy(profile: ProfileName, pci_address: PciAddress, minor: u32) -> Self {
        Self {
            profile,
            pci_address,
            minor,
            uuid: None,
            serial: None,
            name: None,
            vbios_version: None,
            memory_used_mib: None,
            persistence_mode: None,
            temperature_celsius: None,
            memory_temperature_celsius: None,
            temperature_thresholds: None,
            temperature_margin_celsius: None,
            margin_temperatures: None,
            power: None,
            energy_millijoules: None,
            clocks: None,
            clocks_event_reasons: None,
            clocks_event_nanoseconds: None,
            performance_state: None,
            utilization: None,
            ecc: None,
            sram_ecc: None,
            row_remapping: None,
            retired_pages: None,
            inforom_valid: None,
            inforom_version: None,
            pcie: None,
            pcie_replays: None,
            pcie_replay_rollovers: None,
            nvlinks: None,
            fabric: None,
            mig: None,
            platform: None,
            module_id: None,
            recovery_action: None,
            processes: Vec::new(),
            lost: false,
            hang: None,
            returns: std::collections::BTreeMap::new(),
            field_returns: std::collections::BTreeMap::new(),
        }
    }
}

/// 24 GPUs a domain, eight buses apart, as behind a PCIe switch each.
fn address(minor: u32) -> PciAddress {
    PciAddress {
        domain: minor / 24,
        bus: u8::try_from(0x18 + (minor % 24) * 8).unwrap_or(u8::MAX),
        device: 0,
        function: 0,
    }
}

/// A UUID in the form that NVML gives GPUs.
pub(crate) fn uuid(seed: u128) -> String {
    let hex = format!("{seed:032x}");
    format!(
        "GPU-{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// FNV-1a, 128 bits (draft-eastlake-fnv-17 §5): distinct inputs, distinct UUIDs; nothing secret hangs on it.
pub(crate) fn digest(text: &str) -> u128 {
    text.bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}
