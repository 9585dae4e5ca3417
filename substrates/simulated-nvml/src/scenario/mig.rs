//! MIG: a GPU in parts. Part of the schema; read by `board` and by the ABI's MIG calls.

use serde::{Deserialize, Serialize};

/// Whether a GPU is partitioned, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mig {
    /// Whether MIG is on.
    pub enabled: bool,
    /// Whether it will be on after the next reset; without it, as now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<bool>,
    /// The MIG devices in the order of their indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<MigDevice>,
}

/// One MIG device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigDevice {
    /// `1g.10gb`; part of its name.
    pub profile: String,
    /// `MIG-…`.
    pub uuid: String,
    /// The GPU instance's id.
    pub gpu_instance: u32,
    /// The compute instance's id.
    pub compute_instance: u32,
    /// Its memory, MiB.
    pub memory_mib: u64,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Slices of the GPU.
    pub gpu_slices: u32,
    /// Slices of the GPU instance.
    pub compute_slices: u32,
}
