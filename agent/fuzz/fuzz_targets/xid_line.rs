//! Any text is a line of NVIDIA's driver or nothing, and is counted once.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| bedplate_agent::fuzzing::xid_line(text));
