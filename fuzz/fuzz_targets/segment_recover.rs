//! See `strandline::testing::fuzz::segment_recover`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::segment_recover(bytes));
