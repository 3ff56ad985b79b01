//! The offset index, `.index`: where in a segment to begin looking for an offset.
//!
//! An entry is made about every `index.interval.bytes`, for an append: its last offset, and the
//! position at which it begins. So every batch before the position has smaller offsets, and the
//! entry's offset lies at or behind it. Offsets strictly increase. No header, no checksum: an entry
//! is a hint, which the batch at its position confirms.

use super::IndexError;
use crate::record::Offset;
use crate::wire::Field;

/// An entry of an offset index. On disk, 8 big-endian bytes:
///
/// | at | bytes | field |
/// |---:|------:|-------|
/// |  0 |     4 | relative offset: the offset less the segment's base, 0 to 2³¹−1 |
/// |  4 |     4 | position in the `.log`, 0 to 2³¹−1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Last offset of the append that the entry was made for.
    pub(crate) offset: Offset,
    /// Where that append begins in the `.log`.
    pub(crate) position: u32,
}

const RELATIVE_OFFSET: Field<i32> = Field::at(0);
const POSITION: Field<i32> = RELATIVE_OFFSET.then();
/// Bytes of an entry.
pub(crate) const ENTRY_LEN: usize = POSITION.end();
const _: () = assert!(ENTRY_LEN == 8, "as the table above says");

impl OffsetEntry {
    /// Reads an entry of the segment with that base offset.
    ///
    /// # Errors
    ///
    /// If the relative offset or the position is negative, or the offset leaves the range.
    pub(crate) fn decode(base: Offset, entry: [u8; ENTRY_LEN]) -> Result<Self, IndexError> {
        let offset = absolute(base, RELATIVE_OFFSET.get(&entry))?;
        let position = POSITION.get(&entry);
        let position = u32::try_from(position)
            .map_err(|_| IndexError::ImpossiblePosition(i64::from(position)))?;
        Ok(OffsetEntry { offset, position })
    }

    /// The entry's bytes in the index of the segment with that base offset.
    ///
    /// # Errors
    ///
    /// If four bytes cannot say the offset or the position.
    pub(crate) fn encode(self, base: Offset) -> Result<[u8; ENTRY_LEN], IndexError> {
        let position = i32::try_from(self.position)
            .map_err(|_| IndexError::ImpossiblePosition(i64::from(self.position)))?;
        let mut entry = [0; ENTRY_LEN];
        RELATIVE_OFFSET.set(&mut entry, relative(base, self.offset)?);
        POSITION.set(&mut entry, position);
        Ok(entry)
    }
}

/// `offset` as an index of the segment with that base offset says it.
pub(super) fn relative(base: Offset, offset: Offset) -> Result<i32, IndexError> {
    offset
        .checked_sub(base)
        .filter(|relative| *relative >= 0)
        .and_then(|relative| i32::try_from(relative).ok())
        .ok_or(IndexError::OffsetOutOfRange { base, offset })
}

/// What [`relative`] was made from.
pub(super) fn absolute(base: Offset, relative: i32) -> Result<Offset, IndexError> {
    base.checked_add(Offset::from(relative))
        .filter(|_| relative >= 0)
        .ok_or(IndexError::ImpossibleRelativeOffset(relative))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `multi-seg-2k-0/00000000000000000172.index`, as a broker wrote it.
    const FROM_KAFKA: [[u8; ENTRY_LEN]; 4] = [
        [0, 0, 0, 0x11, 0, 0, 0x01, 0xe1],
        [0, 0, 0, 0x15, 0, 0, 0x03, 0xce],
        [0, 0, 0, 0x16, 0, 0, 0x04, 0xe0],
        [0, 0, 0, 0x1f, 0, 0, 0x05, 0x71],
    ];

    fn entries() -> Vec<OffsetEntry> {
        FROM_KAFKA.iter().map(|entry| OffsetEntry::decode(172, *entry).unwrap()).collect()
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        let entries = entries();
        assert_eq!(entries[0], OffsetEntry { offset: 189, position: 481 });
        assert_eq!(entries[3], OffsetEntry { offset: 203, position: 1393 });
        for (entry, bytes) in entries.iter().zip(FROM_KAFKA) {
            assert_eq!(entry.encode(172), Ok(bytes));
        }
    }

    #[test]
    fn what_four_bytes_cannot_say_is_refused() {
        let far = OffsetEntry { offset: 1 + i64::from(i32::MAX), position: 0 };
        assert!(far.encode(1).is_ok());
        assert_eq!(
            far.encode(0),
            Err(IndexError::OffsetOutOfRange { base: 0, offset: far.offset })
        );
        assert!(OffsetEntry { offset: 4, position: 0 }.encode(5).is_err());
        let deep = OffsetEntry { offset: 0, position: 1 << 31 };
        assert_eq!(deep.encode(0), Err(IndexError::ImpossiblePosition(1 << 31)));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(base: i64, bytes: [u8; ENTRY_LEN]) {
            if let Ok(entry) = OffsetEntry::decode(base, bytes) {
                prop_assert!(entry.offset >= base);
                prop_assert_eq!(entry.encode(base), Ok(bytes));
            }
        }
    }
}
