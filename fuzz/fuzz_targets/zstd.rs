//! See `strandline::testing::fuzz::zstd`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::zstd(bytes));
