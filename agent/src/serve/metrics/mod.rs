//! `/metrics`: the newest state, written as Prometheus reads it. Pure; called by [`super::route`].
//!
//! Each GPU's value is there once, under the label names of dcgm-exporter. Who holds a GPU is a series of its own
//! (`bedplate_gpu_pod_info`), so that a sum over GPUs counts none twice however many pods share one. A value that is not known
//! is no series; values of the past keep their series, and `bedplate_gpu_values_age_seconds` says how old they are.

mod agent;
mod gpu;
mod health;
mod holders;
mod labels;
mod memory;
mod node;
mod publishing;
mod xids;

use super::exposition::{Exposition, Format};
use crate::daemon::State;
use crate::pods::Attribution;
use crate::publish::Published;
use jiff::Timestamp;

/// Everything, at `now`. Without `attribution` the kubelet did not answer; without `published` there is no cluster to publish to.
pub(super) fn text(
    state: &State,
    attribution: Option<&Attribution>,
    published: Option<&Published>,
    now: Timestamp,
    format: Format,
) -> String {
    let mut text = Exposition::new(format, ("Hostname", &state.node_name));
    agent::write(&mut text, state, now);
    if let Some(published) = published {
        publishing::write(&mut text, published, now);
    }
    node::write(&mut text, state);
    gpu::write(&mut text, state);
    memory::write(&mut text, state);
    health::write(&mut text, state);
    xids::write(&mut text, state);
    holders::write(&mut text, state, attribution);
    text.finish()
}

/// A whole number as a sample's value. Above 2⁵³ the format itself loses the last digits.
#[allow(clippy::cast_precision_loss, reason = "samples are IEEE 754 doubles")]
fn whole(value: u64) -> f64 {
    value as f64
}

/// Seconds since 1970.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of this century fit into 2⁵³")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// Seconds from one moment to a later one; a clock that was set back makes them 0.
fn age(since: Timestamp, now: Timestamp) -> f64 {
    (seconds(now) - seconds(since)).max(0.0)
}

/// 1 for yes, 0 for no.
fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

#[cfg(test)]
mod readers;
#[cfg(test)]
pub(super) mod tests;
