//! A library with NVML's ABI, driven by a scenario file: GPUs for tests and rehearsals.
//!
//! Built as a shared library it carries the soname `libnvidia-ml.so.1` and is put where NVIDIA's driver puts its own. Clients (the node
//! agent, NVIDIA's device plugin, `nvidia-ctk`) load it as they load NVIDIA's. It answers from a YAML file beside its own real file,
//! reads that file again when it changes, and never looks at the environment.
//!
//! Linked as a Rust library it gives a substrate the types to write such a file ([`Scenario`]) and the PCI identity of each device
//! profile ([`profiles`]), from which a simulated `/sys` is made.
//!
//! It never talks to a device, never writes a file that it answers from, and never panics across the ABI.
//!
//! | module | holds |
//! |---|---|
//! | [`scenario`] | the schema of the file, and its errors |
//! | [`generate`] | a healthy scenario for a host, with UUIDs that differ from host to host |
//! | [`profiles`] | one file for each device: what a healthy one answers, each value with its source |
//! | [`library`] | the built library's file, and a copy of it without some symbols |
//! | `board` | what one GPU answers: the scenario's value, else the profile's |
//! | `state` | finding, reading and re-reading the file; injected hangs; event sets |
//! | [`abi`] | the exported functions |
#![allow(
    unsafe_code,
    reason = "the exported functions read and write the caller's memory; every block says why it may"
)]

pub mod abi;
mod board;
pub mod generate;
pub mod library;
pub mod profiles;
pub mod scenario;
mod state;

pub use scenario::{Scenario, ScenarioError};
