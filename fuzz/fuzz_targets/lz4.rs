//! See `strandline::testing::fuzz::lz4`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::lz4(bytes));
