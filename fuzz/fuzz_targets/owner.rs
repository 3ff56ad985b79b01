//! See `strandline::testing::fuzz::owner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::owner(bytes));
