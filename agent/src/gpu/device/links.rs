//! A GPU's links: PCIe, `NVLink`, and the fabric that the fabric manager makes of them. Called by [`super::Reader`] only.

use super::Reading;
use crate::gpu::raw;
use bedplate_protocol::facts::NvLinkFacts;
use nvml_wrapper::Device;
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS, NVML_FI_DEV_NVLINK_ERROR_DL_CRC,
    NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY, NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY, NVML_FI_DEV_NVLINK_GET_STATE,
};

/// `NVML_NVLINK_MAX_LINKS` (nvml.h of go-nvml v0.13.4-0; 18 in that of v0.12.9-0, which the count of links overrides).
const MAX_LINKS: u32 = 36;
/// `NVML_NVLINK_STATE_*` (nvml.h of go-nvml v0.13.4-0).
const INACTIVE: u64 = 0;
const ACTIVE: u64 = 1;
const SLEEP: u64 = 2;
const ACTIVE_TRAFFIC_DISABLED: u64 = 3;
/// Fields asked of each link.
const PER_LINK: usize = 5;

pub(super) fn read(r: &mut Reading<'_>) {
    r.known.gpu.pcie_generation = r.call("nvmlDeviceGetCurrPcieLinkGeneration", Device::current_pcie_link_gen);
    r.known.gpu.pcie_width = r.call("nvmlDeviceGetCurrPcieLinkWidth", Device::current_pcie_link_width);
    r.known.gpu.pcie_replays = r
        .newer("nvmlDeviceGetPcieReplayCounter", Device::pcie_replay_counter)
        .map(u64::from);
    let links = match r.known.links {
        Some(links) => links.min(MAX_LINKS),
        None => counted(r),
    };
    nvlinks(r, links);
    r.known.gpu.fabric = r.newer("nvmlDeviceGetGpuFabricInfoV", |device| raw::fabric(device));
}

/// Links on a driver that does not tell their number: as many as answer.
fn counted(r: &mut Reading<'_>) -> u32 {
    let mut links = 0;
    while links < MAX_LINKS
        && r.newer("nvmlDeviceGetNvLinkState", |device| raw::nvlink_active(device, links))
            .is_some()
    {
        links += 1;
    }
    if !r.lost {
        r.known.links = Some(links);
    }
    links
}

fn nvlinks(r: &mut Reading<'_>, links: u32) {
    if links == 0 {
        return;
    }
    r.fields.clear();
    for link in 0..links {
        r.fields.ask::<NVML_FI_DEV_NVLINK_GET_STATE>(link);
        r.fields.ask::<NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY>(link);
        r.fields.ask::<NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY>(link);
        r.fields.ask::<NVML_FI_DEV_NVLINK_ERROR_DL_CRC>(link);
        // Blackwell has this in place of the three before it (nvml.h at those ids).
        r.fields.ask::<NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS>(link);
    }
    if !r.read_fields() {
        return;
    }
    r.known.gpu.nvlinks.reserve_exact(links as usize);
    for (place, link) in (0..).step_by(PER_LINK).zip(0..links) {
        let active = match r.field("NVML_FI_DEV_NVLINK_GET_STATE", place) {
            // A sleeping link wakes by itself; one whose traffic is disabled carries none.
            Some(ACTIVE | SLEEP) => Some(true),
            Some(INACTIVE | ACTIVE_TRAFFIC_DISABLED) => Some(false),
            Some(_) => None,
            None => r.newer("nvmlDeviceGetNvLinkState", |device| raw::nvlink_active(device, link)),
        };
        let replays = r.field("NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY", place + 1);
        let recoveries = r
            .field("NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY", place + 2)
            .or_else(|| r.field("NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS", place + 4));
        let crc_errors = r.field("NVML_FI_DEV_NVLINK_ERROR_DL_CRC", place + 3);
        r.known.gpu.nvlinks.push(NvLinkFacts {
            link,
            active,
            replays,
            recoveries,
            crc_errors,
        });
    }
}
