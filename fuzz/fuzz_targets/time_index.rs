//! See `strandline::testing::fuzz::time_index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::time_index(bytes));
