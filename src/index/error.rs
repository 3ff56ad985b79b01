//! What is wrong with an entry of a sparse index. Knows no file: the segment adds that.

use std::fmt;

use crate::record::{Offset, Timestamp};

/// Why an entry is none, or may not be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum IndexError {
    /// An offset that four bytes behind the segment's base offset cannot say.
    OffsetOutOfRange {
        /// The segment's base offset.
        base: Offset,
        /// The offset.
        offset: Offset,
    },
    /// A relative offset below 0, or one that leaves the range of offsets.
    ImpossibleRelativeOffset(i32),
    /// A position below 0, or one that no segment reaches.
    ImpossiblePosition(i64),
    /// The offset is not above (offset index) or is below (time index) the last entry's.
    OffsetOutOfOrder {
        /// The last entry's offset.
        last: Offset,
        /// The new one.
        offset: Offset,
    },
    /// The timestamp is below the last entry's.
    TimestampOutOfOrder {
        /// The last entry's timestamp.
        last: Timestamp,
        /// The new one.
        timestamp: Timestamp,
    },
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::OffsetOutOfRange { base, offset } => {
                write!(f, "offset {offset} does not fit an index of base offset {base}")
            }
            IndexError::ImpossibleRelativeOffset(relative) => {
                write!(f, "impossible relative offset {relative}")
            }
            IndexError::ImpossiblePosition(position) => {
                write!(f, "impossible position {position}")
            }
            IndexError::OffsetOutOfOrder { last, offset } => {
                write!(f, "offset {offset} follows {last} in an index")
            }
            IndexError::TimestampOutOfOrder { last, timestamp } => {
                write!(f, "timestamp {timestamp} follows {last} in an index")
            }
        }
    }
}

impl std::error::Error for IndexError {}
