//! See `strandline::testing::fuzz::meta_properties`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::meta_properties(bytes));
