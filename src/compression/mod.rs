//! Codecs, framed as Kafka frames them, with a bound on what they may inflate to.
//!
//! Kafka compresses the records of a batch as one stream; with which codec, the batch's header
//! says. Each codec's file describes its framing. What any client of Kafka wrote can be read, and
//! Kafka reads what is written here; which bytes a compressor chooses is its own affair, so the
//! same records may come out longer or shorter than from a broker.

mod codec;
mod contexts;
mod error;
mod gzip;
mod lz4;
mod output;
mod snappy;
#[cfg(test)]
mod tests;
mod zstd;

pub use codec::{Codec, Compression, LevelError, ParseCompressionError, UnknownCodec};
pub use error::{CompressError, InflateError};

pub use contexts::{Compressor, Decompressor};
