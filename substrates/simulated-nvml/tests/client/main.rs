//! The shared library as its clients meet it: installed as NVIDIA's driver installs its own, loaded through nvml-wrapper.
//!
//! One process holds one copy of a library, so each test installs its own file and the loader treats each as another library.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests")]
#![allow(clippy::too_many_lines, reason = "one client reads every fact")]
#![allow(
    unsafe_code,
    reason = "raw field values and struct versions, which the wrapper does not offer"
)]

mod binary;
mod events;
mod facts;
mod faults;
mod health;
mod installed;
mod links;
mod raw;
#[allow(clippy::panic, reason = "what the fuzzer runs says a broken promise by a panic")]
#[path = "../../fuzz/scenario_text.rs"]
mod scenario_text;
mod series;
mod text;
