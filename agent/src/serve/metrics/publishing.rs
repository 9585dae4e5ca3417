//! Whether what the agent says reaches Kubernetes. Called by [`super::text`] only, where there is a cluster to publish to.

use super::super::exposition::{Exposition, Kind, Metric};
use super::{seconds, whole};
use crate::publish::Published;
use jiff::Timestamp;

const PUBLISHED: Metric = Metric {
    name: "bedplate_agent_published_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the agent last wrote its node's conditions, in seconds since 1970; before its first write, when it began. Absent \
           while another agent holds the node's Lease.",
};
const INTERVAL: Metric = Metric {
    name: "bedplate_agent_publish_interval_seconds",
    kind: Kind::Gauge,
    help: "How often the agent writes conditions that do not change; twice as long without is silence. Absent while another \
           agent holds the node's Lease.",
};
const FAILURES: Metric = Metric {
    name: "bedplate_agent_publish_failures_total",
    kind: Kind::Counter,
    help: "Attempts to publish to Kubernetes that failed, by what the API server, or the lack of its answer, made of them.",
};

pub(super) fn write(text: &mut Exposition<'_>, published: &Published, now: Timestamp) {
    if let Some((at, interval)) = published.last(now) {
        text.sample(&PUBLISHED, &[], seconds(at));
        text.sample(&INTERVAL, &[], whole(interval.as_secs()));
    }
    for (reason, count) in published.failures() {
        text.sample(&FAILURES, &[("reason", reason)], whole(count));
    }
}
