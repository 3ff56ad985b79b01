//! See `strandline::testing::fuzz::log_open`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::log_open(bytes));
