//! See `strandline::testing::fuzz::index_files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::index_files(bytes));
