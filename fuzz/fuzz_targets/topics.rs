//! See `strandline::testing::fuzz::topics`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::topics(bytes));
