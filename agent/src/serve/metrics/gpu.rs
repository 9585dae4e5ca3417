//! A GPU's own values: temperature, power, clocks, use, link, settings. Memory's health is in [`super::memory`]. Called by
//! [`super::text`] only.

use super::super::exposition::{Exposition, Kind, Metric};
use super::labels::{Labels, gpus};
use super::{flag, whole};
use crate::daemon::State;
use bedplate_protocol::facts::GpuFacts;

const INFO: Metric = Metric {
    name: "bedplate_gpu_info",
    kind: Kind::Info,
    help: "What a GPU is.",
};
const REASON: Metric = Metric {
    name: "bedplate_gpu_clock_event_reason",
    kind: Kind::Gauge,
    help: "Whether a reason holds the GPU's clocks below what was asked for; gpu_idle is none to worry about.",
};
const LINK_ACTIVE: Metric = Metric {
    name: "bedplate_gpu_nvlink_active",
    kind: Kind::Gauge,
    help: "Whether an NVLink of the GPU is active.",
};
const LINK_ERRORS: Metric = Metric {
    name: "bedplate_gpu_nvlink_errors_total",
    kind: Kind::Counter,
    help: "What an NVLink had to repair: replays and CRC errors of packets, recoveries of the link.",
};

/// `nvmlClocksEventReason*` (nvml.h of go-nvml v0.13.4-0, read 2026-11-21).
const REASONS: [(u64, &str); 9] = [
    (0x1, "gpu_idle"),
    (0x2, "applications_clocks_setting"),
    (0x4, "sw_power_cap"),
    (0x8, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal_slowdown"),
    (0x40, "hw_thermal_slowdown"),
    (0x80, "hw_power_brake_slowdown"),
    (0x100, "display_clock_setting"),
];

/// A metric and where its value is.
type Value = (Metric, fn(&GpuFacts) -> Option<f64>);

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        help,
    }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        help,
    }
}

#[rustfmt::skip] // A table: one row a metric.
const VALUES: &[Value] = &[
    (gauge("bedplate_gpu_temperature_celsius", "Temperature of the GPU's die."),
        |gpu| gpu.temperature_celsius.map(f64::from)),
    (gauge("bedplate_gpu_memory_temperature_celsius", "Temperature of the GPU's memory."),
        |gpu| gpu.memory_temperature_celsius.map(f64::from)),
    (gauge("bedplate_gpu_temperature_slowdown_celsius", "Where the hardware begins to slow down."),
        |gpu| gpu.temperature_slowdown_celsius.map(f64::from)),
    (gauge("bedplate_gpu_temperature_shutdown_celsius", "Where the hardware turns itself off."),
        |gpu| gpu.temperature_shutdown_celsius.map(f64::from)),
    (gauge("bedplate_gpu_temperature_margin_celsius", "Degrees below the nearest slowdown; negative is past it."),
        |gpu| gpu.temperature_margin_celsius.map(f64::from)),
    (gauge("bedplate_gpu_power_usage_watts", "Power that the GPU draws."),
        |gpu| gpu.power_usage_milliwatts.map(|milliwatts| f64::from(milliwatts) / 1e3)),
    (gauge("bedplate_gpu_power_limit_watts", "Power that the GPU may draw."),
        |gpu| gpu.power_limit_milliwatts.map(|milliwatts| f64::from(milliwatts) / 1e3)),
    (counter("bedplate_gpu_energy_joules_total", "Energy that the GPU has used since its driver was loaded."),
        |gpu| gpu.energy_millijoules.map(|millijoules| whole(millijoules) / 1e3)),
    (gauge("bedplate_gpu_utilization_ratio",
        "Share of the driver's last sample period (1/6 s to 1 s) in which any kernel ran. No load signal: one thread on one \
         multiprocessor makes it 1, so a GPU at 1 may have nearly all of its capacity left."),
        |gpu| gpu.utilization_gpu_percent.map(|percent| f64::from(percent) / 100.0)),
    (gauge("bedplate_gpu_memory_utilization_ratio",
        "Share of the driver's last sample period in which the GPU's memory was read or written; not how much of it is used."),
        |gpu| gpu.utilization_memory_percent.map(|percent| f64::from(percent) / 100.0)),
    (gauge("bedplate_gpu_memory_size_bytes", "The GPU's memory."),
        |gpu| gpu.memory_total_bytes.map(whole)),
    (gauge("bedplate_gpu_memory_used_bytes", "How much of the GPU's memory is allocated."),
        |gpu| gpu.memory_used_bytes.map(whole)),
    (gauge("bedplate_gpu_sm_clock_hertz", "Clock of the streaming multiprocessors."),
        |gpu| gpu.sm_clock_mhz.map(|mhz| f64::from(mhz) * 1e6)),
    (gauge("bedplate_gpu_memory_clock_hertz", "Clock of the GPU's memory."),
        |gpu| gpu.memory_clock_mhz.map(|mhz| f64::from(mhz) * 1e6)),
    (gauge("bedplate_gpu_performance_state", "The N of P<N>; 0 is the fastest."),
        |gpu| gpu.performance_state.map(f64::from)),
    (gauge("bedplate_gpu_pcie_generation", "Negotiated PCIe generation; idle GPUs lower it."),
        |gpu| gpu.pcie_generation.map(f64::from)),
    (gauge("bedplate_gpu_pcie_max_generation", "Highest PCIe generation that GPU and slot support."),
        |gpu| gpu.pcie_max_generation.map(f64::from)),
    (gauge("bedplate_gpu_pcie_lanes", "Negotiated PCIe lanes."),
        |gpu| gpu.pcie_width.map(f64::from)),
    (gauge("bedplate_gpu_pcie_max_lanes", "Most PCIe lanes that GPU and slot support."),
        |gpu| gpu.pcie_max_width.map(f64::from)),
    (counter("bedplate_gpu_pcie_replays_total", "PCIe packets that were sent again since the driver was loaded."),
        |gpu| gpu.pcie_replays.map(whole)),
    (gauge("bedplate_gpu_fabric_state",
        "What the fabric manager has made of the GPU: 0 not supported, 1 not started, 2 in progress, 3 completed."),
        |gpu| gpu.fabric.map(|fabric| f64::from(fabric.state))),
    (gauge("bedplate_gpu_fabric_health", "The fabric's summary for the GPU: 1 healthy, 2 unhealthy, 3 limited capacity."),
        |gpu| gpu.fabric.and_then(|fabric| fabric.health_summary).map(f64::from)),
    (gauge("bedplate_gpu_driver_recovery_action",
        "What the driver itself asks for: 0 nothing, 1 reset the GPU, 2 reboot the node, 3 drain peer-to-peer traffic, \
         4 drain and reset; a higher one is graver than all of these."),
        |gpu| gpu.recovery_action.map(f64::from)),
    (gauge("bedplate_gpu_inforom_valid", "Whether the checksum of the GPU's infoROM is right."),
        |gpu| gpu.inforom_valid.map(flag)),
    (gauge("bedplate_gpu_persistence_mode", "Whether the driver stays loaded without a client."),
        |gpu| gpu.persistence_mode.map(flag)),
    (gauge("bedplate_gpu_mig_enabled", "Whether MIG is on."),
        |gpu| gpu.mig_enabled.map(flag)),
    (gauge("bedplate_gpu_mig_devices", "MIG devices on the GPU; where MIG is on."),
        |gpu| (gpu.mig_enabled == Some(true)).then(|| whole(gpu.mig_devices.len() as u64))),
    (gauge("bedplate_gpu_suspended", "Whether the GPU sleeps and was asked nothing that would wake it."),
        |gpu| Some(flag(gpu.suspended))),
    (gauge("bedplate_gpu_failed_calls", "NVML calls about the GPU that failed in the last pass; what is not supported is no failure."),
        |gpu| Some(whole(gpu.errors.len() as u64))),
];

pub(super) fn write(text: &mut Exposition<'_>, state: &State) {
    let all: Vec<_> = gpus(state).iter().map(|gpu| (gpu, Labels::of(gpu))).collect();
    for (gpu, labels) in &all {
        let own = [
            ("serial", gpu.serial.as_deref().unwrap_or_default()),
            ("architecture", gpu.architecture.as_deref().unwrap_or_default()),
            (
                "compute_capability",
                gpu.compute_capability.as_deref().unwrap_or_default(),
            ),
            ("vbios_version", gpu.vbios_version.as_deref().unwrap_or_default()),
        ];
        text.sample(&INFO, &labels.with(&own), 1.0);
    }
    each(text, &all, VALUES);
    for (gpu, labels) in &all {
        for (bit, name) in REASONS.iter().filter(|_| gpu.clock_event_reasons.is_some()) {
            let holds = gpu.clock_event_reasons.unwrap_or_default() & bit != 0;
            text.sample(&REASON, &labels.with(&[("reason", name)]), flag(holds));
        }
    }
    links(text, &all);
}

/// A table of metrics, each for all GPUs before the next.
fn each(text: &mut Exposition<'_>, all: &[(&GpuFacts, Labels)], values: &[Value]) {
    for (metric, value) in values {
        for (gpu, labels) in all {
            if let Some(value) = value(gpu) {
                text.sample(metric, &labels.with(&[]), value);
            }
        }
    }
}

fn links(text: &mut Exposition<'_>, all: &[(&GpuFacts, Labels)]) {
    let links = || {
        all.iter().flat_map(|(gpu, labels)| {
            gpu.nvlinks
                .iter()
                .map(move |link| (link, link.link.to_string(), labels))
        })
    };
    for (link, number, labels) in links() {
        if let Some(active) = link.active {
            text.sample(&LINK_ACTIVE, &labels.with(&[("link", &number)]), flag(active));
        }
    }
    for (link, number, labels) in links() {
        for (kind, count) in [
            ("replay", link.replays),
            ("recovery", link.recoveries),
            ("crc", link.crc_errors),
        ] {
            if let Some(count) = count {
                text.sample(
                    &LINK_ERRORS,
                    &labels.with(&[("link", &number), ("type", kind)]),
                    whole(count),
                );
            }
        }
    }
}
