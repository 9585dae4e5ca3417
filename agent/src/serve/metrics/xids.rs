//! How often each GPU had each XID, and when last: a counter and a time, not a gauge that keeps the last code for ever. Called
//! by [`super::text`] only.

use super::super::exposition::{Exposition, Kind, Metric};
use super::labels::bus_id;
use super::{seconds, whole};
use crate::daemon::State;
use jiff::Timestamp;
use std::collections::BTreeMap;

const TOTAL: Metric = Metric {
    name: "bedplate_gpu_xid_total",
    kind: Kind::Counter,
    help: "Incidents of an XID on a GPU since the agent began to count; an incident that several places report counts once.",
};
const LAST: Metric = Metric {
    name: "bedplate_gpu_xid_last_seen_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When an XID was last seen on a GPU, in seconds since 1970.",
};

pub(super) fn write(text: &mut Exposition<'_>, state: &State) {
    // By what is written, so that no two values have the same labels.
    let mut seen: BTreeMap<(String, String, u32), (u64, Timestamp)> = BTreeMap::new();
    for count in &state.xids {
        let bus = count.pci_address.as_deref().map(bus_id).unwrap_or_default();
        let key = (count.uuid.clone().unwrap_or_default(), bus, count.xid);
        let (total, last) = seen.entry(key).or_insert((0, count.last_seen));
        *total += count.total;
        *last = count.last_seen.max(*last);
    }
    for ((uuid, bus, xid), (total, _)) in &seen {
        let labels = [("UUID", uuid.as_str()), ("pci_bus_id", bus), ("xid", &xid.to_string())];
        text.sample(&TOTAL, &labels, whole(*total));
    }
    for ((uuid, bus, xid), (_, last)) in &seen {
        let labels = [("UUID", uuid.as_str()), ("pci_bus_id", bus), ("xid", &xid.to_string())];
        text.sample(&LAST, &labels, seconds(*last));
    }
}
