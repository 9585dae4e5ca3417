//! Whatever a worker of NVML says ends in a verdict, conditions and metrics.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bedplate_agent::fuzzing::nvml_values(bytes));
