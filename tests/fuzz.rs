//! Every body of `strandline::testing::fuzz` over its corpus, and over mutations of it that are
//! drawn from a seed: the same inputs each time.
//!
//! `STRANDLINE_FUZZ_TIMES=100` draws so many times as many (`just fuzz-long`), from other seeds too.
//! An input that breaks a promise is made smaller and printed, with the command that replays it; once
//! the cause is mended it goes into the corpus, and what was wrong gets a test in `fuzz/finds.rs`.
//!
//! The corpus is packed. `cargo test --test fuzz -- --ignored unpack` lays it out in
//! `fuzz/corpus/TARGET/`, for libFuzzer; `--ignored pack` packs what lies there. Without it nothing is
//! lost but time: `--ignored remake_seeds` makes seeds again, from `tests/data` and from logs of our
//! own, and `just fuzz-minimise TARGET` leaves of them and of what was found what coverage needs.

mod fuzz {
    pub(crate) mod corpus;
    mod finds;
    pub(crate) mod mutate;
    pub(crate) mod run;
    mod seeds;
}

use fuzz::run::{Speed, run};

/// A test for each target: its name, and how fast it is.
macro_rules! targets {
    ($($name:ident: $speed:ident,)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name), strandline::testing::fuzz::$name, Speed::$speed);
        })*

        /// The names of all targets.
        pub(crate) const TARGETS: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    batch: Pure,
    records: Pure,
    offset_index: Pure,
    time_index: Pure,
    txn_index: Pure,
    snapshot: Pure,
    checkpoint: Pure,
    leader_epochs: Pure,
    manifest: Pure,
    watermark: Pure,
    topics: Text,
    owner: Text,
    meta_properties: Text,
    partition_metadata: Text,
    clean_shutdown: Text,
    gzip: Codec,
    snappy: Codec,
    lz4: Codec,
    zstd: Codec,
    append_batch: Files,
    index_files: Files,
    segment_recover: Files,
    log_open: Files,
}

#[test]
fn each_target_has_a_corpus_and_a_driver_of_its_own() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let cargo = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(!fuzz::corpus::of(target).is_empty(), "no corpus/{target}");
        let driver = std::fs::read_to_string(root.join(format!("fuzz_targets/{target}.rs")));
        assert!(driver.unwrap().contains(&format!("testing::fuzz::{target}(")), "{target}");
        assert!(cargo.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
    }
}
