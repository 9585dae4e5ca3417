//! The agent itself: what runs, when it looked, how old what it shows is. Called by [`super::text`] only.

use super::super::exposition::{Exposition, Kind, Metric};
use super::{age, seconds, whole};
use crate::daemon::State;
use jiff::Timestamp;

const BUILD: Metric = Metric {
    name: "bedplate_agent_build_info",
    kind: Kind::Info,
    help: "The agent's version.",
};
const STARTED: Metric = Metric {
    name: "bedplate_agent_start_time_seconds",
    kind: Kind::Gauge,
    help: "When the agent's process began, in seconds since 1970.",
};
const INTERVAL: Metric = Metric {
    name: "bedplate_agent_interval_seconds",
    kind: Kind::Gauge,
    help: "Time between the beginnings of two passes.",
};
const HEARTBEAT: Metric = Metric {
    name: "bedplate_agent_heartbeat_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the agent's loop last turned, in seconds since 1970; it turns once an interval, whatever NVML does.",
};
const PASS: Metric = Metric {
    name: "bedplate_agent_pass_duration_seconds",
    kind: Kind::Gauge,
    help: "How long the last pass over the GPUs took.",
};
const PASS_AT: Metric = Metric {
    name: "bedplate_agent_pass_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the last pass over the GPUs ended, in seconds since 1970.",
};
const LOG_LOST: Metric = Metric {
    name: "bedplate_agent_kernel_log_lost_records_total",
    kind: Kind::Counter,
    help: "Records of the kernel's log that were overwritten before this process could read them; an XID may have been among them.",
};
const VALUES_AGE: Metric = Metric {
    name: "bedplate_gpu_values_age_seconds",
    kind: Kind::Gauge,
    help: "How long ago the values of this node's GPUs in this answer were read; above three intervals do not trust them.",
};
const STALE: Metric = Metric {
    name: "bedplate_gpu_nvml_stale_seconds",
    kind: Kind::Gauge,
    help: "How long NVML has not answered; 0 while it answers.",
};

pub(super) fn write(text: &mut Exposition<'_>, state: &State, now: Timestamp) {
    text.sample(&BUILD, &[("version", state.version)], 1.0);
    text.sample(&STARTED, &[], seconds(state.started));
    text.sample(&INTERVAL, &[], whole(state.interval_seconds));
    text.sample(&HEARTBEAT, &[], seconds(state.at));
    text.sample(&LOG_LOST, &[], whole(state.kernel_log_lost));
    if let Some(micros) = state.last_pass_micros {
        text.sample(&PASS, &[], whole(micros) / 1e6);
    }
    if let Some(at) = state.last_pass {
        text.sample(&PASS_AT, &[], seconds(at));
        let read = state.nvml_stale_since.unwrap_or(at);
        text.sample(&VALUES_AGE, &[], age(read, now));
        let stale = state.nvml_stale_since.map_or(0.0, |since| age(since, now));
        text.sample(&STALE, &[], stale);
    }
}
