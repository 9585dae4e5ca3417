//! NVIDIA's catalogue of XIDs as a table: what a number means, what NVIDIA wants done, for which GPUs.
//!
//! Made of `catalogue.yaml` by the build; nothing is parsed at run time. A number without a row is not covered, which is never
//! the same as harmless. Pure. Called by [`super::reading`] and by `check --catalogue`.

use bedplate_protocol::RecommendedAction;
use serde::Serialize;

include!(concat!(env!("OUT_DIR"), "/xid_catalogue.rs"));

/// How bad it is, in our words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// Worth knowing.
    Info,
    /// A workload's problem; the GPU is well.
    App,
    /// The GPU is usable.
    Warn,
    /// The GPU is not usable until something is done.
    Fatal,
}

/// NVIDIA's "resolution bucket" for what is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(crate) enum Bucket {
    /// No action required.
    #[serde(rename = "IGNORE")]
    Ignore,
    /// Start the application again.
    #[serde(rename = "RESTART_APP")]
    RestartApp,
    /// Reset the GPU.
    #[serde(rename = "RESET_GPU")]
    ResetGpu,
    /// Restart the bare metal.
    #[serde(rename = "RESTART_BM")]
    RestartBm,
    /// Restart the virtual machine that has the GPU.
    #[serde(rename = "RESTART_VM")]
    RestartVm,
    /// Ask the support organisation.
    #[serde(rename = "CONTACT_SUPPORT")]
    ContactSupport,
    /// Look after seating and connections.
    #[serde(rename = "CHECK_MECHANICALS")]
    CheckMechanicals,
    /// Reset the GPU if UVM or vGPU is in use, else nothing.
    #[serde(rename = "CHECK_UVM")]
    CheckUvm,
    /// Bring software and firmware up to date.
    #[serde(rename = "UPDATE_SWFW")]
    UpdateSwfw,
    /// Follow the other XID.
    #[serde(rename = "WORKFLOW_XID_45")]
    WorkflowXid45,
    /// Reset the GPU; with 63 or 64 drain before.
    #[serde(rename = "WORKFLOW_XID_48")]
    WorkflowXid48,
    /// Evaluate the registers; a reset or reboot clears it.
    #[serde(rename = "WORKFLOW_NVLINK_ERR")]
    WorkflowNvlinkErr,
    /// Decode the registers.
    #[serde(rename = "WORKFLOW_NVLINK5_ERR")]
    WorkflowNvlink5Err,
    /// Follow the text of XID 154.
    #[serde(rename = "XID_154")]
    Xid154,
    /// Follow XID 154 if there is one, else start the application again.
    #[serde(rename = "XID_154_EVAL")]
    Xid154Eval,
}

/// A column of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(crate) enum Product {
    /// Ampere.
    A100,
    /// Hopper.
    H100,
    /// Blackwell.
    B100,
    /// Blackwell beside a Grace CPU.
    #[serde(rename = "GB200")]
    Gb200,
}

impl Product {
    /// The column's title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::A100 => "A100",
            Self::H100 => "H100",
            Self::B100 => "B100",
            Self::Gb200 => "GB200",
        }
    }
}

/// Where a row was read.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Source {
    /// The page.
    pub(crate) url: &'static str,
    /// The day, `2026-11-21`.
    pub(crate) read: &'static str,
    /// How.
    pub(crate) via: &'static str,
}

/// One XID.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// The XID.
    pub(crate) number: u32,
    /// NVIDIA's name.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// Ours.
    pub(crate) severity: Severity,
    /// What NVIDIA wants done at once; absent where the source names nothing.
    pub(crate) immediate: Option<Bucket>,
    /// What NVIDIA wants done when it comes again; empty where the source names nothing.
    pub(crate) investigatory: &'static str,
    /// For which products.
    pub(crate) applies: &'static [Product],
    /// From which driver branch on XID 154 goes with it, 0 for always; absent where it never does.
    pub(crate) recovery_since: Option<u32>,
    /// What else the source says.
    pub(crate) note: &'static str,
    /// Where this was read.
    pub(crate) source: &'static Source,
}

/// The row of a number.
pub(crate) fn row(number: u32) -> Option<&'static Row> {
    let place = ROWS.binary_search_by_key(&number, |row| row.number).ok()?;
    ROWS.get(place)
}

/// All rows, by number.
pub(crate) fn rows() -> &'static [Row] {
    &ROWS
}

/// Numbers that NVIDIA lists for no GPU from Ampere on, ascending.
pub(crate) fn unused() -> &'static [u32] {
    &UNUSED
}

/// Where all this was read.
pub(crate) fn source() -> &'static Source {
    &SOURCE
}

/// What should be done: NVIDIA's bucket as a rung of the ladder. A fatal error for which NVIDIA names nothing needs a person.
pub(crate) fn action(bucket: Option<Bucket>, severity: Severity) -> Option<RecommendedAction> {
    match bucket {
        Some(Bucket::RestartApp | Bucket::Xid154Eval) => Some(RecommendedAction::RestartApp),
        Some(Bucket::ResetGpu | Bucket::WorkflowXid48 | Bucket::WorkflowNvlinkErr) => Some(RecommendedAction::ResetGpu),
        Some(Bucket::RestartBm | Bucket::RestartVm) => Some(RecommendedAction::Reboot),
        Some(Bucket::ContactSupport | Bucket::CheckMechanicals) => Some(RecommendedAction::Service),
        Some(
            Bucket::Ignore
            | Bucket::CheckUvm
            | Bucket::UpdateSwfw
            | Bucket::WorkflowXid45
            | Bucket::WorkflowNvlink5Err
            | Bucket::Xid154,
        )
        | None => (severity == Severity::Fatal).then_some(RecommendedAction::Service),
    }
}

#[cfg(test)]
mod tests;
