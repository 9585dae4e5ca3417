//! Values of one GPU that no GPU has together. Called by `contradiction` only.

use std::collections::BTreeSet;

use crate::scenario::{Ecc, EccCounts, Gpu, Mig, RetiredPages, Series};

/// `NVML_NVLINK_MAX_LINKS` (nvml.h).
const MOST_LINKS: usize = 18;
/// The slowest performance state (nvml.h, `NVML_PSTATE_15`).
const SLOWEST: u32 = 15;

/// The first contradiction: the key and what is wrong with it.
pub(super) fn contradiction(gpu: &Gpu) -> Option<String> {
    telemetry(gpu)
        .or_else(|| links(gpu))
        .or_else(|| gpu.ecc.as_ref().and_then(ecc))
        .or_else(|| pages(gpu))
        .or_else(|| mig(gpu, gpu.mig.as_ref()?))
}

fn telemetry(gpu: &Gpu) -> Option<String> {
    if let Some(thresholds) = gpu.temperature_thresholds
        && let (Some(slowdown), Some(shutdown)) = (thresholds.slowdown, thresholds.shutdown)
        && slowdown > shutdown
    {
        return Some(format!(
            "temperature_thresholds.slowdown {slowdown} is above shutdown {shutdown}; a GPU slows down first"
        ));
    }
    if let Some(Series::Ramp(_)) = gpu.clocks_event_reasons {
        return Some("clocks_event_reasons has a ramp, but its bits are no quantity; write steps".to_owned());
    }
    if let Some(state) = gpu.performance_state.filter(|state| *state > SLOWEST) {
        return Some(format!("performance_state {state} is none; write 0 to {SLOWEST}"));
    }
    let utilization = gpu.utilization.as_ref()?;
    let most = |series: &Series<u32>| match series {
        Series::Constant(value) => *value,
        Series::Ramp(ramp) => ramp.ramp.0.max(ramp.ramp.1),
        Series::Steps(steps) => steps.iter().map(|(_, value)| *value).max().unwrap_or_default(),
    };
    let most = most(&utilization.gpu_percent).max(most(&utilization.memory_percent));
    (most > 100).then(|| format!("utilization of {most} percent is more than all of it; write 0 to 100"))
}

fn links(gpu: &Gpu) -> Option<String> {
    if let Some(link) = gpu.pcie {
        if !(1..=6).contains(&link.generation) {
            return Some(format!("pcie.generation {} is none; write 1 to 6", link.generation));
        }
        if !link.width.is_power_of_two() || link.width > 32 {
            return Some(format!("pcie.width {} is none; write 1, 2, 4, 8, 16 or 32", link.width));
        }
    }
    if let Some(count) = gpu.nvlinks.as_ref().map(Vec::len).filter(|count| *count > MOST_LINKS) {
        return Some(format!(
            "nvlinks are {count}, but NVML knows at most {MOST_LINKS}; take some away"
        ));
    }
    if let Some(platform) = gpu
        .platform
        .as_ref()
        .filter(|platform| platform.chassis_serial.len() > 16)
    {
        return Some(format!(
            "platform.chassis_serial {:?} is longer than NVML's 16 bytes; shorten it",
            platform.chassis_serial
        ));
    }
    let fabric = gpu.fabric.as_ref()?;
    if fabric.cluster().is_none() {
        return Some(format!(
            "fabric.cluster_uuid {:?} is not 32 hexadecimal digits",
            fabric.cluster_uuid.as_deref().unwrap_or_default()
        ));
    }
    (fabric.status != 0 && fabric.state != 3).then(|| {
        format!(
            "fabric.status is {}, but it is read only when the state is 3, completed, and it is {}",
            fabric.status, fabric.state
        )
    })
}

/// A counter's key, its total, and how to find it at a place.
type Counter<'a> = (&'a str, &'a Series<u64>, fn(&EccCounts) -> u64);

fn ecc(ecc: &Ecc) -> Option<String> {
    let counters: [Counter<'_>; 4] = [
        ("corrected_volatile", &ecc.corrected_volatile, |counts| {
            counts.corrected_volatile
        }),
        ("uncorrected_volatile", &ecc.uncorrected_volatile, |counts| {
            counts.uncorrected_volatile
        }),
        ("corrected_aggregate", &ecc.corrected_aggregate, |counts| {
            counts.corrected_aggregate
        }),
        ("uncorrected_aggregate", &ecc.uncorrected_aggregate, |counts| {
            counts.uncorrected_aggregate
        }),
    ];
    counters.iter().find_map(|(key, total, of)| {
        let places = ecc
            .places
            .values()
            .fold(0_u64, |sum, counts| sum.saturating_add(of(counts)));
        match total {
            Series::Constant(total) if places > *total => Some(format!(
                "ecc.{key} is {total}, but its places have {places} together; write at least that"
            )),
            _ => None,
        }
    })
}

fn pages(gpu: &Gpu) -> Option<String> {
    let RetiredPages {
        single_bit, double_bit, ..
    } = gpu.retired_pages.as_ref()?;
    if gpu.row_remapping.is_some() {
        return Some(
            "retired_pages and row_remapping are both there, but a GPU has one of them; take one away".to_owned(),
        );
    }
    let mut addresses = BTreeSet::new();
    let twice = single_bit
        .iter()
        .chain(double_bit)
        .find(|page| !addresses.insert(page.address))?;
    Some(format!(
        "retired_pages has the page {:#x} twice; a page is retired once",
        twice.address
    ))
}

fn mig(gpu: &Gpu, mig: &Mig) -> Option<String> {
    let profile = gpu.profile.profile();
    let Some(most) = profile.mig_devices else {
        return Some(format!(
            "mig is there, but {} has no MIG that a source tells of; take it away",
            profile.product_name
        ));
    };
    if !mig.enabled && !mig.devices.is_empty() {
        return Some("mig.devices are there, but mig.enabled is false; turn it on or take them away".to_owned());
    }
    if mig.devices.len() > most as usize {
        return Some(format!(
            "mig.devices are {}, but {} has at most {most}",
            mig.devices.len(),
            profile.product_name
        ));
    }
    let mut instances = BTreeSet::new();
    if let Some(twice) = mig
        .devices
        .iter()
        .find(|device| !instances.insert((device.gpu_instance, device.compute_instance)))
    {
        return Some(format!(
            "mig.devices has gpu_instance {} with compute_instance {} twice; give each its own",
            twice.gpu_instance, twice.compute_instance
        ));
    }
    // Compute instances of one GPU instance share its memory.
    let mut shared = BTreeSet::new();
    let memory = mig
        .devices
        .iter()
        .filter(|device| shared.insert(device.gpu_instance))
        .fold(0_u64, |sum, device| sum.saturating_add(device.memory_mib));
    (memory > profile.memory_mib).then(|| {
        format!(
            "mig.devices have {memory} MiB together, but {} has {}",
            profile.product_name, profile.memory_mib
        )
    })
}
