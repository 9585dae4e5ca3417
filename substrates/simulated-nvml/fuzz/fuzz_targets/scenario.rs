//! Feeds libFuzzer's bytes to the property of scenario texts.

#![no_main]

#[path = "../scenario_text.rs"]
mod scenario_text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        scenario_text::holds(text);
    }
});
