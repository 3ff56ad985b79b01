//! What is fuzzed: for each target a function that takes any bytes and panics if a promise is
//! broken. `fuzz/` drives them by coverage, `tests/fuzz.rs` by mutation of the corpus.

mod append;
mod batch;
mod codecs;
mod image;
mod index;
mod index_files;
mod naive;
mod naive_codecs;
mod open;
mod recover;
mod scratch;
mod small;
mod support;
mod text;

pub use append::append_batch;
pub use batch::{batch, records};
pub use codecs::{gzip, lz4, snappy, zstd};
pub use index::{offset_index, time_index, txn_index};
pub use index_files::index_files;
pub use open::log_open;
pub use recover::segment_recover;
pub use small::{manifest, snapshot, watermark};
pub use text::{
    checkpoint, clean_shutdown, leader_epochs, meta_properties, owner, partition_metadata, topics,
};
