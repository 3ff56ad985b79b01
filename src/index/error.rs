//! What is wrong with an entry of a sparse index. Knows no file: the segment adds that.

use std::fmt;

use crate::record::Offset;

/// Why bytes are no entry, or an entry has no bytes.
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
        }
    }
}

impl std::error::Error for IndexError {}
