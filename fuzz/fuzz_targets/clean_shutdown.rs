//! See `strandline::testing::fuzz::clean_shutdown`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::clean_shutdown(bytes));
