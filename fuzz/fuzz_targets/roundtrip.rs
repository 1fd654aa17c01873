//! libFuzzer calls the body of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::roundtrip::run(data));
