//! The time index, `.timeindex`: from which offset on a segment may hold a timestamp.
//!
//! An entry says: up to when it was made, this was the segment's largest timestamp, and the batch
//! that reached it ends at this offset. So anything later lies behind that offset. Timestamps
//! strictly increase, offsets do not decrease. An entry is made beside one of the offset index, and
//! one more when the segment is rolled or closed. No header, no checksum: an entry is a hint.

use super::IndexError;
use super::offset_index::{absolute, relative};
use super::search::{count_before, last_before, written};
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

/// What an empty index counts as its last timestamp: a batch without timestamps has it.
const NO_TIMESTAMP: Timestamp = -1;

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

    /// Whether it is to be appended behind `last`, Kafka's `maybeAppend`: only if it is later. An
    /// entry for an equal timestamp is left out, and in an empty index one for −1 and below.
    ///
    /// # Errors
    ///
    /// If offset or timestamp are below the last entry's: the caller's largest timestamp is wrong.
    pub(crate) fn is_wanted_behind(self, last: Option<TimeEntry>) -> Result<bool, IndexError> {
        let Some(last) = last else { return Ok(self.timestamp > NO_TIMESTAMP) };
        if self.offset < last.offset {
            return Err(IndexError::OffsetOutOfOrder { last: last.offset, offset: self.offset });
        }
        if self.timestamp < last.timestamp {
            return Err(IndexError::TimestampOutOfOrder {
                last: last.timestamp,
                timestamp: self.timestamp,
            });
        }
        Ok(self.timestamp > last.timestamp)
    }
}

/// The entry with the largest timestamp at or below `target`, and its slot; none: begin at the base
/// offset. `read` gives the entry of a slot below `slots`.
pub(crate) fn search<E>(
    slots: usize,
    read: impl FnMut(usize) -> Result<TimeEntry, E>,
    target: Timestamp,
) -> Result<Option<(usize, TimeEntry)>, E> {
    last_before(slots, read, |entry| entry.timestamp <= target)
}

/// How many entries stay when everything from `offset` on is cut off.
pub(crate) fn slots_below<E>(
    slots: usize,
    read: impl FnMut(usize) -> Result<TimeEntry, E>,
    offset: Offset,
) -> Result<usize, E> {
    count_before(slots, read, |entry| entry.offset < offset)
}

/// How many of `slots` are entries, where the rest are zeros taken ahead. The first counts even if
/// it is all zeros: a record of 1970 at the base offset makes such an entry. The batch it names
/// tells.
pub(crate) fn slots_written<E>(
    slots: usize,
    read: impl FnMut(usize) -> Result<[u8; ENTRY_LEN], E>,
) -> Result<usize, E> {
    written(slots, read)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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
        for (last, next) in entries.iter().zip(&entries[1..]) {
            assert_eq!(next.is_wanted_behind(Some(*last)), Ok(true));
        }
    }

    #[test]
    fn only_a_later_timestamp_makes_an_entry() {
        let last = TimeEntry { timestamp: 100, offset: 7 };
        let behind =
            |timestamp, offset| TimeEntry { timestamp, offset }.is_wanted_behind(Some(last));
        assert_eq!(behind(101, 7), Ok(true));
        assert_eq!(behind(100, 9), Ok(false));
        assert_eq!(behind(200, 6), Err(IndexError::OffsetOutOfOrder { last: 7, offset: 6 }));
        let early = IndexError::TimestampOutOfOrder { last: 100, timestamp: 99 };
        assert_eq!(behind(99, 8), Err(early));
    }

    #[test]
    fn records_without_timestamps_make_no_entry() {
        assert_eq!(TimeEntry { timestamp: -1, offset: 3 }.is_wanted_behind(None), Ok(false));
        assert_eq!(TimeEntry { timestamp: 0, offset: 3 }.is_wanted_behind(None), Ok(true));
    }

    #[test]
    fn a_look_up_goes_by_time_and_a_cut_by_offset() {
        let entries = entries();
        let read = |slot: usize| Ok::<_, Infallible>(entries[slot]);
        let find = |timestamp| {
            let Ok(hit) = search(5, read, timestamp);
            hit.map(|(slot, _)| slot)
        };
        assert_eq!([0, FIRST - 1, FIRST, FIRST + 1].map(find), [None, None, Some(0), Some(0)]);
        assert_eq!(find(i64::MAX), Some(4));
        let kept = |offset| {
            let Ok(kept) = slots_below(5, read, offset);
            kept
        };
        assert_eq!([57, 61, 62, 86, 87].map(kept), [0, 0, 1, 4, 5]);
    }

    #[test]
    fn an_entry_of_1970_at_the_base_offset_is_one() {
        assert_eq!(slots_written(1000, |_| Ok::<_, Infallible>([0; ENTRY_LEN])), Ok(1));
        assert_eq!(slots_written(0, |_| Err("asked")), Ok(0));
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
