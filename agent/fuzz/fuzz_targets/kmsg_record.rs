//! Any bytes are a record of the kernel's log or a reason why not.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bedplate_agent::fuzzing::kmsg_record(bytes));
