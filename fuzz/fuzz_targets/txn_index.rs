//! See `strandline::testing::fuzz::txn_index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strandline::testing::fuzz::txn_index(bytes));
