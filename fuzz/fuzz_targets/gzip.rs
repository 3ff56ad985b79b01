//! See `strandline::testing::fuzz::gzip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::gzip(bytes));
