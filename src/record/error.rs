//! Why bytes are no batch, or a batch's payload no records. Small, and without a place: the floor
//! that knows the file adds it.

use std::fmt;

use crate::compression::InflateError;

/// Why bytes are not a record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes end before the batch does.
    Incomplete {
        /// Bytes that are there.
        have: usize,
        /// Bytes that the batch needs, as far as it can be told from those.
        need: usize,
    },
    /// Nothing but zeros where a batch should be: space that was taken ahead, or a hole.
    Zeros,
    /// The length field is smaller than any batch.
    LengthTooSmall(i32),
    /// It claims more bytes than the caller takes.
    TooLarge {
        /// Bytes that it claims.
        size: u64,
        /// The most that the caller takes.
        limit: u64,
    },
    /// A message of format v0 or v1 where only a record batch can be: those are read, and never
    /// written.
    Legacy(i8),
    /// A magic that no version of the format has: newer, or damage.
    UnknownMagic(i8),
    /// The offsets leave the range of a log's offsets.
    ImpossibleOffsets {
        /// The base offset.
        base: i64,
        /// The last offset delta.
        delta: i32,
    },
    /// The checksum does not fit the bytes.
    Crc {
        /// What the batch says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Incomplete { have, need } => {
                write!(f, "unfinished batch: {have} of {need} bytes are there")
            }
            BatchError::Zeros => f.write_str("zeros where a batch should be"),
            BatchError::LengthTooSmall(length) => {
                write!(f, "batch claims length {length}, fewer bytes than any has")
            }
            BatchError::TooLarge { size, limit } => {
                write!(f, "batch claims {size} bytes, more than the {limit} that are taken")
            }
            BatchError::Legacy(magic) => {
                write!(f, "a message of format v{magic} cannot be written")
            }
            BatchError::UnknownMagic(magic) => write!(f, "unknown magic {magic}"),
            BatchError::ImpossibleOffsets { base, delta } => {
                write!(f, "impossible offsets: base {base}, last offset delta {delta}")
            }
            BatchError::Crc { stored, computed } => {
                write!(f, "batch fails its CRC: stored {stored:#010x}, computed {computed:#010x}")
            }
        }
    }
}

impl std::error::Error for BatchError {}

/// Why the payload of a batch whose CRC holds cannot be read as records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The codec's number is none that we know.
    UnknownCodec(u8),
    /// The payload does not inflate, or inflates beyond the caller's bound.
    Inflate(InflateError),
    /// A length, a varint or a header count inside a record is impossible.
    InvalidStructure,
    /// A record's length says more or less than its fields take.
    LengthMismatch,
    /// The batch declares a negative number of records.
    NegativeCount(i32),
    /// The payload ends before as many records were read as the batch declares.
    TooFewRecords,
    /// The payload goes on behind the records that the batch declares.
    TooManyRecords,
    /// An offset delta or timestamp delta leaves the range of its type.
    DeltaOutOfRange,
    /// A control record whose key or value is not what its version demands.
    MalformedControl,
    /// A wrapper of format v0 or v1 holds something that is no message.
    Inner(BatchError),
    /// A wrapper of format v0 or v1 holds no message.
    EmptyWrapper,
    /// A wrapper of format v0 or v1 holds another.
    NestedWrapper,
    /// The offset of a wrapper of format v1 is less than what its messages count up to.
    WrapperOffset {
        /// The wrapper's offset.
        wrapper: i64,
        /// The number of its last message.
        last: i64,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::UnknownCodec(id) => write!(f, "unknown codec {id}"),
            RecordError::Inflate(error) => error.fmt(f),
            RecordError::InvalidStructure => f.write_str("found invalid record structure"),
            RecordError::LengthMismatch => {
                f.write_str("a record's length is not what its fields take")
            }
            RecordError::NegativeCount(count) => write!(f, "record count {count}"),
            RecordError::TooFewRecords => {
                f.write_str("incorrect declared batch size, premature EOF reached")
            }
            RecordError::TooManyRecords => {
                f.write_str("incorrect declared batch size, records still remaining in file")
            }
            RecordError::DeltaOutOfRange => f.write_str("a record's delta is out of range"),
            RecordError::MalformedControl => f.write_str("malformed control record"),
            RecordError::Inner(error) => write!(f, "in a wrapper: {error}"),
            RecordError::EmptyWrapper => f.write_str("a wrapper without messages"),
            RecordError::NestedWrapper => f.write_str("a wrapper within a wrapper"),
            RecordError::WrapperOffset { wrapper, last } => {
                write!(f, "a wrapper with offset {wrapper} whose messages count up to {last}")
            }
        }
    }
}

impl std::error::Error for RecordError {}

impl From<InflateError> for RecordError {
    fn from(error: InflateError) -> Self {
        RecordError::Inflate(error)
    }
}
