#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| assumed::fuzz_targets::request_path(data));
