//! Any text is a configuration of the daemon or says where it is none.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| bedplate_agent::fuzzing::configuration(text));
