//! The time index, `.timeindex`: from which offset on a segment may hold a timestamp.
//!
//! An entry says: up to when it was made, this was the segment's largest timestamp, and the batch
//! that reached it ends at this offset. So anything later lies behind that offset. Timestamps
//! strictly increase, offsets do not decrease. An entry is made beside one of the offset index, and
//! one more when the segment is rolled or closed. No header, no checksum: an entry is a hint.

use super::IndexError;
use super::offset_index::{absolute, relative};
use crate::record::{Offset, Timestamp};
use crate::wire::Field;

/// An entry of a time index. On disk, 12 big-endian bytes:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     8 | timestamp, milliseconds since 1970 |
/// |  8 |     4 | relative offset: the offset less the segment's base, 0 to 2³¹−1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// The largest timestamp so far.
    pub(crate) timestamp: Timestamp,
    /// Last offset of the batch that reached it.
    pub(crate) offset: Offset,
}

const TIMESTAMP: Field<i64> = Field::at(0);
const RELATIVE_OFFSET: Field<i32> = TIMESTAMP.then();
/// Bytes of an entry.
pub(crate) const ENTRY_LEN: usize = RELATIVE_OFFSET.end();
const _: () = assert!(ENTRY_LEN == 12, "as the table above says");

impl TimeEntry {
    /// Reads an entry of the segment with that base offset.
    ///
    /// # Errors
    ///
    /// If the relative offset is negative, or the offset leaves the range.
    pub(crate) fn decode(base: Offset, entry: [u8; ENTRY_LEN]) -> Result<Self, IndexError> {
        let offset = absolute(base, RELATIVE_OFFSET.get(&entry))?;
        Ok(TimeEntry { timestamp: TIMESTAMP.get(&entry), offset })
    }

    /// The entry's bytes in the index of the segment with that base offset.
    ///
    /// # Errors
    ///
    /// If four bytes cannot say the offset.
    pub(crate) fn encode(self, base: Offset) -> Result<[u8; ENTRY_LEN], IndexError> {
        let mut entry = [0; ENTRY_LEN];
        TIMESTAMP.set(&mut entry, self.timestamp);
        RELATIVE_OFFSET.set(&mut entry, relative(base, self.offset)?);
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `multi-seg-2k-0/00000000000000000057.timeindex`, as a broker wrote it.
    const FROM_KAFKA: [[u8; ENTRY_LEN]; 5] = [
        [0, 0, 0x01, 0x8b, 0xd0, 0x1d, 0x40, 0xe0, 0, 0, 0, 0x04],
        [0, 0, 0x01, 0x8b, 0xd0, 0x22, 0xbf, 0x20, 0, 0, 0, 0x0a],
        [0, 0, 0x01, 0x8b, 0xd0, 0x2b, 0xe6, 0xe0, 0, 0, 0, 0x14],
        [0, 0, 0x01, 0x8b, 0xd0, 0x2d, 0xbb, 0xa0, 0, 0, 0, 0x16],
        [0, 0, 0x01, 0x8b, 0xd0, 0x34, 0x24, 0x40, 0, 0, 0, 0x1d],
    ];
    const FIRST: Timestamp = 0x018b_d01d_40e0;

    fn entries() -> Vec<TimeEntry> {
        FROM_KAFKA.iter().map(|entry| TimeEntry::decode(57, *entry).unwrap()).collect()
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        let entries = entries();
        assert_eq!(entries[0], TimeEntry { timestamp: FIRST, offset: 61 });
        assert_eq!(entries[4].offset, 86);
        for (entry, bytes) in entries.iter().zip(FROM_KAFKA) {
            assert_eq!(entry.encode(57), Ok(bytes));
        }
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(base: i64, bytes: [u8; ENTRY_LEN]) {
            if let Ok(entry) = TimeEntry::decode(base, bytes) {
                prop_assert!(entry.offset >= base);
                prop_assert_eq!(entry.encode(base), Ok(bytes));
            }
        }
    }
}
