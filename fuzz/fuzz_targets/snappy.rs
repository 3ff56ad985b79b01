//! See `strandline::testing::fuzz::snappy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::snappy(bytes));
