//! What is fuzzed: for each target a function that takes any bytes and panics if a promise is
//! broken. `fuzz/` drives them by coverage, `tests/fuzz.rs` by mutation of the corpus.

mod batch;
mod codecs;
mod index;
mod naive;
mod naive_codecs;
mod small;
mod support;
mod text;

pub use batch::{batch, records};
pub use codecs::{gzip, lz4, snappy, zstd};
pub use index::{offset_index, time_index, txn_index};
pub use small::{manifest, snapshot, watermark};
pub use text::{
    checkpoint, clean_shutdown, leader_epochs, meta_properties, owner, partition_metadata, topics,
};
