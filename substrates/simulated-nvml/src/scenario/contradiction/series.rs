//! Series that never were meant: no steps, steps out of order, a ramp in no time. Called by `contradiction` only.

use crate::scenario::{Gpu, Series};

/// The first of a GPU's series that is at fault: its key, and what is wrong with it.
pub(super) fn fault(gpu: &Gpu) -> Option<String> {
    let power = gpu.power.as_ref().map(|power| &power.usage_milliwatts);
    let clocks = gpu.clocks.as_ref();
    let utilization = gpu.utilization.as_ref();
    let ecc = gpu.ecc.as_ref();
    let times = gpu.clocks_event_nanoseconds.as_ref();
    let words = [
        ("temperature_celsius", gpu.temperature_celsius.as_ref()),
        ("memory_temperature_celsius", gpu.memory_temperature_celsius.as_ref()),
        ("power.usage_milliwatts", power),
        ("clocks.graphics", clocks.and_then(|clocks| clocks.graphics.as_ref())),
        ("clocks.sm", clocks.and_then(|clocks| clocks.sm.as_ref())),
        ("clocks.memory", clocks.and_then(|clocks| clocks.memory.as_ref())),
        ("clocks.video", clocks.and_then(|clocks| clocks.video.as_ref())),
        (
            "utilization.gpu_percent",
            utilization.map(|utilization| &utilization.gpu_percent),
        ),
        (
            "utilization.memory_percent",
            utilization.map(|utilization| &utilization.memory_percent),
        ),
        ("pcie_replays", gpu.pcie_replays.as_ref()),
        ("pcie_replay_rollovers", gpu.pcie_replay_rollovers.as_ref()),
        ("recovery_action", gpu.recovery_action.as_ref()),
    ];
    let longs = [
        ("energy_millijoules", gpu.energy_millijoules.as_ref()),
        ("clocks_event_reasons", gpu.clocks_event_reasons.as_ref()),
        ("ecc.corrected_volatile", ecc.map(|ecc| &ecc.corrected_volatile)),
        ("ecc.uncorrected_volatile", ecc.map(|ecc| &ecc.uncorrected_volatile)),
        ("ecc.corrected_aggregate", ecc.map(|ecc| &ecc.corrected_aggregate)),
        ("ecc.uncorrected_aggregate", ecc.map(|ecc| &ecc.uncorrected_aggregate)),
        (
            "clocks_event_nanoseconds.software_power_cap",
            times.and_then(|times| times.software_power_cap.as_ref()),
        ),
        (
            "clocks_event_nanoseconds.sync_boost",
            times.and_then(|times| times.sync_boost.as_ref()),
        ),
        (
            "clocks_event_nanoseconds.software_thermal_slowdown",
            times.and_then(|times| times.software_thermal_slowdown.as_ref()),
        ),
        (
            "clocks_event_nanoseconds.hardware_thermal_slowdown",
            times.and_then(|times| times.hardware_thermal_slowdown.as_ref()),
        ),
        (
            "clocks_event_nanoseconds.hardware_power_brake",
            times.and_then(|times| times.hardware_power_brake.as_ref()),
        ),
    ];
    let signed = [("temperature_margin_celsius", gpu.temperature_margin_celsius.as_ref())];
    first(&words)
        .or_else(|| first(&longs))
        .or_else(|| first(&signed))
        .or_else(|| links(gpu))
}

fn first<T>(series: &[(&str, Option<&Series<T>>)]) -> Option<String> {
    series
        .iter()
        .find_map(|(key, series)| Some(format!("{key} {}", (*series)?.fault()?)))
}

fn links(gpu: &Gpu) -> Option<String> {
    gpu.nvlinks.iter().flatten().enumerate().find_map(|(number, link)| {
        let fault = first(&[
            ("replays", Some(&link.replays)),
            ("recoveries", Some(&link.recoveries)),
            ("crc_errors", Some(&link.crc_errors)),
            ("crc_data_errors", Some(&link.crc_data_errors)),
            ("ecc_errors", Some(&link.ecc_errors)),
        ])?;
        Some(format!("nvlinks[{number}].{fault}"))
    })
}
