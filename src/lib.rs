//! Apache Kafka's log as a library: an append-only segment store whose directories are Kafka's,
//! byte for byte, that any Rust program can embed.
//!
//! The floors, lowest first; each uses its own and those below it, never one above:

pub mod compression;
pub(crate) mod fs;
pub mod wire; //         1  integers and bytes without meaning //  2  none, gzip, snappy, lz4, zstd, framed as Kafka frames them
