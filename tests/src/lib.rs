//! What whole-system runs share: the built programs, a cluster of their own on this machine, and what a host looks like.
//!
//! Only the tests in `tests/` call this; it builds nothing, and names the command that does when something is missing.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests call this, and a test that cannot go on fails"
)]

pub mod agents_cluster;
pub mod api_server;
pub mod built;
pub mod cluster_file;
pub mod driver_tree;
pub mod footprint;
pub mod kernel_log;
pub mod nvml_worker;
pub mod one_host;
pub mod publishing;
pub mod report;
