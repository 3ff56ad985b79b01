//! See `strandline::testing::fuzz::leader_epochs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::leader_epochs(bytes));
