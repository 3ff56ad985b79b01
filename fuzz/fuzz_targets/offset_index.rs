//! See `strandline::testing::fuzz::offset_index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::offset_index(bytes));
