//! Which container holds which GPU: a series to join with a GPU's values, never a value of its own. Called by
//! [`super::text`] only.

use super::super::exposition::{Exposition, Kind, Metric};
use super::labels::gpus;
use super::{flag, whole};
use crate::daemon::State;
use crate::pods::{Attribution, Holder};

const UP: Metric = Metric {
    name: "bedplate_gpu_pod_resources_up",
    kind: Kind::Gauge,
    help: "Whether kubelet said, for this answer, which pods hold which GPUs; without it bedplate_gpu_pod_info is absent, not old.",
};
const POD: Metric = Metric {
    name: "bedplate_gpu_pod_info",
    kind: Kind::Info,
    help: "A container that holds a GPU, one of its time-slices (replica) or one of its MIG devices (mig_uuid). \
           Join it with a GPU's values by UUID; a GPU that is shared has several.",
};
const UNATTRIBUTED: Metric = Metric {
    name: "bedplate_gpu_pod_unattributed_devices",
    kind: Kind::Gauge,
    help: "Devices of NVIDIA's resources that containers hold and whose ids name no GPU that NVML lists, and DRA claims.",
};

pub(super) fn write(text: &mut Exposition<'_>, state: &State, attribution: Option<&Attribution>) {
    text.sample(&UP, &[], flag(attribution.is_some()));
    let Some(attribution) = attribution else {
        return;
    };
    let mut unattributed = attribution.unattributed;
    for holder in &attribution.holders {
        let Some((uuid, mig_uuid)) = gpu_of(state, holder) else {
            unattributed += 1;
            continue;
        };
        let labels = [
            ("UUID", uuid),
            ("namespace", &holder.namespace),
            ("pod", &holder.pod),
            ("container", &holder.container),
            ("replica", holder.replica.as_deref().unwrap_or_default()),
            ("mig_uuid", mig_uuid),
        ];
        text.sample(&POD, &labels, 1.0);
    }
    text.sample(&UNATTRIBUTED, &[], whole(unattributed));
}

/// The UUIDs of the GPU and, where the holder has one, of the MIG device on it. A GPU needs none of NVML's help, so pods on a
/// lost one are still named; which GPU a MIG device is on only NVML knows.
fn gpu_of<'a>(state: &'a State, holder: &'a Holder) -> Option<(&'a str, &'a str)> {
    if holder.uuid.starts_with("GPU-") {
        return Some((&holder.uuid, ""));
    }
    let has = |uuid: &Option<String>| uuid.as_ref() == Some(&holder.uuid);
    let on = gpus(state)
        .iter()
        .find(|gpu| gpu.mig_devices.iter().any(|device| has(&device.uuid)))?;
    Some((on.uuid.as_deref()?, &holder.uuid))
}
