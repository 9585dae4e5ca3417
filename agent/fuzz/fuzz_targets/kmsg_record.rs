//! Any bytes are a record of the kernel's log or a reason why not, and never more text than three times the bytes.
#![no_main]
#![allow(dead_code, reason = "the agent's own source files, of which only the parser is called")]

#[path = "../../src/host/kmsg/record.rs"]
mod record;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = record::parse(bytes) {
        // A byte that is no UTF-8 becomes U+FFFD, of three bytes.
        assert!(record.text.len() <= 3 * bytes.len());
        assert!(record.is_kernel() == (record.facility == 0));
    }
});
