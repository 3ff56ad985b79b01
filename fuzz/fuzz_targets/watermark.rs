//! See `strandline::testing::fuzz::watermark`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::watermark(bytes));
