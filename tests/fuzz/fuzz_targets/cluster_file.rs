//! Feeds libFuzzer's text to the property of cluster files.

#![no_main]

#[path = "../cluster_text.rs"]
mod cluster_text;

libfuzzer_sys::fuzz_target!(|text: &str| cluster_text::holds(text));
