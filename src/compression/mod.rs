//! Codecs, framed as Kafka frames them, with a bound on what they may inflate to.
//!
//! Kafka compresses the records of a batch as one stream; which stream, the batch's header says.
//! Each codec's file describes its framing. A stream that any client of Kafka wrote can be read,
//! and what is written here Kafka reads; which bytes a compressor chooses is its own affair, so the
//! same records may be longer or shorter than a broker would have made them.

mod codec;
mod error;
mod gzip;
mod lz4;
mod output;
mod snappy;
mod zstd;

pub use codec::{Codec, Compression, LevelError, ParseCompressionError, UnknownCodec};
pub use error::{CompressError, InflateError};
