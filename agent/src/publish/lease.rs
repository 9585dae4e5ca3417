//! One publisher a node: who holds the Lease `bedplate-agent-NODE`, and when it may be taken. Pure. Called by [`super`].
//!
//! The Lease is written when it is taken and not again: its holder's sign of life is the heartbeat of the node's conditions,
//! which is written anyway, so a healthy agent writes one object in five minutes and not two. Whoever wants the Lease looks at
//! both before it takes it. An agent that ends hands it back.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The leases of a namespace.
pub(super) fn path(namespace: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
}

/// A node's Lease.
pub(super) fn name(node: &str) -> String {
    format!("bedplate-agent-{node}")
}

/// What a Lease says to somebody who would publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Ours.
    Held,
    /// Nobody's, or its holder is silent: to be replaced by this one.
    Free(Value),
    /// Somebody else's.
    Taken {
        /// Whose.
        holder: String,
    },
}

/// Reads a Lease. `silent_after` without a sign of life from its holder, be it in the Lease or in the node's conditions
/// (`heartbeat`), it is free.
pub(super) fn standing(
    lease: &Value,
    me: &str,
    heartbeat: Option<Timestamp>,
    now: Timestamp,
    silent_after: SignedDuration,
) -> Standing {
    let (spec, holder) = (&lease["spec"], holder(lease));
    if holder == me {
        return Standing::Held;
    }
    let renewed = spec["renewTime"].as_str().and_then(|time| time.parse().ok());
    let alive = [renewed, heartbeat].into_iter().flatten().max();
    if !holder.is_empty() && alive.is_some_and(|alive| now.duration_since(alive) < silent_after) {
        return Standing::Taken {
            holder: holder.to_owned(),
        };
    }
    let mut ours = lease.clone();
    let transitions = spec["leaseTransitions"].as_u64().unwrap_or_default().saturating_add(1);
    ours["spec"] = held(me, now, silent_after, transitions);
    Standing::Free(ours)
}

/// A Lease where there is none; it goes when its Node goes.
pub(super) fn new(
    node: &str,
    namespace: &str,
    uid: &str,
    me: &str,
    now: Timestamp,
    silent_after: SignedDuration,
) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name(node),
            "namespace": namespace,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}],
        },
        "spec": held(me, now, silent_after, 0),
    })
}

/// The same Lease with nobody holding it: whoever stands by need not wait until this holder counts as silent. What client-go's
/// leader election leaves behind at its end (`release` of tools/leaderelection, Kubernetes 1.36.3).
pub(super) fn released(lease: &Value, now: Timestamp) -> Value {
    let mut free = lease.clone();
    free["spec"] = json!({
        "acquireTime": micros(now),
        "renewTime": micros(now),
        "leaseDurationSeconds": 1,
        "leaseTransitions": lease["spec"]["leaseTransitions"],
    });
    free
}

/// Whose a Lease is; empty where nobody's.
pub(super) fn holder(lease: &Value) -> &str {
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default()
}

fn held(me: &str, now: Timestamp, silent_after: SignedDuration, transitions: u64) -> Value {
    json!({
        "holderIdentity": me,
        "acquireTime": micros(now),
        "renewTime": micros(now),
        "leaseDurationSeconds": silent_after.as_secs(),
        "leaseTransitions": transitions,
    })
}

/// Kubernetes' `MicroTime`.
pub(super) fn micros(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// The newest heartbeat of a node's conditions of these types.
pub(super) fn heartbeat(node: &Value, kinds: &[&str]) -> Option<Timestamp> {
    let conditions = node["status"]["conditions"].as_array()?;
    let ours = conditions
        .iter()
        .filter(|condition| kinds.iter().any(|kind| condition["type"] == *kind));
    ours.filter_map(|condition| condition["lastHeartbeatTime"].as_str()?.parse().ok())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: SignedDuration = SignedDuration::from_mins(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_holder_keeps_it_while_it_or_the_conditions_show_that_it_lives() {
        let lease = new("one", "bedplate-system", "u-1", "systemd", at(0), SILENT);
        assert_eq!(lease["spec"]["renewTime"], "1970-01-01T00:00:00.000000Z");
        let seen =
            |me: &str, heartbeat: Option<i64>, now: i64| standing(&lease, me, heartbeat.map(at), at(now), SILENT);
        assert_eq!(seen("systemd", None, 100_000), Standing::Held);
        let taken = Standing::Taken {
            holder: "systemd".to_owned(),
        };
        assert_eq!(seen("daemonset", None, 599), taken);
        assert_eq!(seen("daemonset", Some(100_000), 100_599), taken);
        let Standing::Free(ours) = seen("daemonset", Some(100_000), 100_600) else {
            panic!()
        };
        assert_eq!(ours["spec"]["holderIdentity"], "daemonset");
        assert_eq!(ours["spec"]["leaseTransitions"], 1);
        assert_eq!(ours["metadata"], lease["metadata"]);
    }

    #[test]
    fn a_lease_that_is_handed_back_is_free_at_once_however_fresh_the_conditions_are() {
        let lease = new("one", "bedplate-system", "u-1", "systemd", at(0), SILENT);
        let free = released(&lease, at(100));
        assert_eq!((holder(&lease), holder(&free)), ("systemd", ""));
        assert_eq!(free["metadata"], lease["metadata"]);
        let Standing::Free(ours) = standing(&free, "daemonset", Some(at(100)), at(101), SILENT) else {
            panic!()
        };
        assert_eq!(holder(&ours), "daemonset");
        assert_eq!(ours["spec"]["leaseTransitions"], 1);
    }

    #[test]
    fn a_heartbeat_is_read_from_own_conditions_only() {
        let node = json!({"status": {"conditions": [
            {"type": "Ready", "lastHeartbeatTime": "1970-01-01T00:01:00Z"},
            {"type": "GPUHardwareProblem", "lastHeartbeatTime": "1970-01-01T00:00:30Z"}]}});
        assert_eq!(heartbeat(&node, &["GPUHardwareProblem"]), Some(at(30)));
        assert_eq!(heartbeat(&json!({}), &["GPUHardwareProblem"]), None);
    }
}
