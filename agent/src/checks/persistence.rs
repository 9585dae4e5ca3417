//! Persistence mode. Called by [`super::judge`] only.

use super::{Observation, codes, id, subject};
use bedplate_protocol::Finding;

const DAEMON: &str = "nvidia-persistenced.service";

/// Without it the driver initialises a GPU for its first client and tears it down after its last, which takes seconds each time
/// and begins the volatile counters again (docs.nvidia.com/deploy/driver-persistence, read 2026-11-21). A warning with the
/// command; nothing where the expectation speaks of it, for that check says more.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    if seen.expect.is_some_and(|expect| expect.persistence.is_some()) {
        return Vec::new();
    }
    let off = facts
        .nvml
        .gpus
        .iter()
        .filter(|gpu| !gpu.suspended && gpu.persistence_mode == Some(false));
    off.map(|gpu| {
        let cure = if facts.services.iter().any(|unit| unit.name == DAEMON) {
            format!("systemctl enable --now {DAEMON}")
        } else {
            format!("nvidia-smi --persistence-mode=1 --id={}, after each boot", id(gpu))
        };
        codes::PERSISTENCE_OFF
            .about(
                subject(facts, gpu),
                "persistence mode is off, so each first use of the GPU waits for its driver",
                cure,
            )
            .with_evidence("nvmlDeviceGetPersistenceMode = 0")
    })
    .collect()
}
