//! Why a stream could not be made or read.

use std::fmt;

use super::Codec;

/// Why a stream could not be inflated. Knows no file: whoever read the batch adds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateError {
    /// More would come out than the reader allows. Its own bound; says nothing against the bytes.
    TooLarge {
        /// How many bytes were allowed.
        limit: usize,
    },
    /// The bytes are not a whole stream of this codec, or a checksum in them does not hold.
    Malformed {
        /// The codec that the batch names.
        codec: Codec,
        /// What is wrong.
        what: &'static str,
    },
    /// The stream uses what its format allows and Kafka's readers refuse.
    Unsupported {
        /// The codec that the batch names.
        codec: Codec,
        /// What is not supported.
        what: &'static str,
    },
    /// There is not enough memory, for what comes out or for the decoder.
    OutOfMemory,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InflateError::TooLarge { limit } => write!(f, "inflates to more than {limit} bytes"),
            InflateError::Malformed { codec, what } => {
                write!(f, "malformed {codec} stream: {what}")
            }
            InflateError::Unsupported { codec, what } => {
                write!(f, "unsupported {codec} stream: {what}")
            }
            InflateError::OutOfMemory => f.write_str("not enough memory to inflate"),
        }
    }
}

impl std::error::Error for InflateError {}

/// Why a codec's library would not compress. It does not depend on the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressError {
    /// There is not enough memory for the compressor at this level.
    OutOfMemory,
    /// The library failed.
    Failed {
        /// The codec in use.
        codec: Codec,
        /// What the library says about it.
        what: &'static str,
    },
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompressError::OutOfMemory => f.write_str("not enough memory to compress"),
            CompressError::Failed { codec, what } => write!(f, "{codec} compressor failed: {what}"),
        }
    }
}

impl std::error::Error for CompressError {}
