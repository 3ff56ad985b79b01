//! See `strandline::testing::fuzz::partition_metadata`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::partition_metadata(bytes));
