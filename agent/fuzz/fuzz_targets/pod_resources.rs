//! Any bytes are the kubelet's answer about pod resources or none.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bedplate_agent::fuzzing::pod_resources(bytes));
