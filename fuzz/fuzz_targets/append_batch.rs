//! See `strandline::testing::fuzz::append_batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::append_batch(bytes));
