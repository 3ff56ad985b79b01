//! The offset index, `.index`: where in a segment to begin looking for an offset.
//!
//! An entry is made about every `index.interval.bytes`, for an append: its last offset, and the
//! position at which it begins. So every batch before the position has smaller offsets, and the
//! entry's offset lies at or behind it. Offsets strictly increase. No header, no checksum: an entry
//! is a hint, which the batch at its position confirms.

use super::IndexError;
use super::search::{count_before, last_before, written};
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

    /// Whether it may follow `last`.
    ///
    /// # Errors
    ///
    /// If its offset is not above the last entry's.
    pub(crate) fn follows(self, last: Option<OffsetEntry>) -> Result<(), IndexError> {
        match last {
            Some(last) if self.offset <= last.offset => {
                Err(IndexError::OffsetOutOfOrder { last: last.offset, offset: self.offset })
            }
            _ => Ok(()),
        }
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

/// The entry with the largest offset at or below `target`, and its slot; none: begin at position 0.
/// `read` gives the entry of a slot below `slots`.
pub(crate) fn search<E>(
    slots: usize,
    read: impl FnMut(usize) -> Result<OffsetEntry, E>,
    target: Offset,
) -> Result<Option<(usize, OffsetEntry)>, E> {
    last_before(slots, read, |entry| entry.offset <= target)
}

/// The first entry at or behind `position`: its offset bounds what a read up to there can hold.
pub(crate) fn search_position<E>(
    slots: usize,
    mut read: impl FnMut(usize) -> Result<OffsetEntry, E>,
    position: u32,
) -> Result<Option<(usize, OffsetEntry)>, E> {
    let slot = count_before(slots, &mut read, |entry| entry.position < position)?;
    if slot == slots { Ok(None) } else { Ok(Some((slot, read(slot)?))) }
}

/// How many entries stay when everything from `offset` on is cut off.
pub(crate) fn slots_below<E>(
    slots: usize,
    read: impl FnMut(usize) -> Result<OffsetEntry, E>,
    offset: Offset,
) -> Result<usize, E> {
    count_before(slots, read, |entry| entry.offset < offset)
}

/// How many of `slots` are entries, where the rest are zeros taken ahead. An offset index never
/// names position 0, so its first entry is none if it is all zeros.
pub(crate) fn slots_written<E>(
    slots: usize,
    mut read: impl FnMut(usize) -> Result<[u8; ENTRY_LEN], E>,
) -> Result<usize, E> {
    if slots > 0 && read(0)? == [0; ENTRY_LEN] { Ok(0) } else { written(slots, read) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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
        for (last, next) in entries.iter().zip(&entries[1..]) {
            assert_eq!(next.follows(Some(*last)), Ok(()));
            assert!(last.follows(Some(*last)).is_err() && last.follows(Some(*next)).is_err());
        }
    }

    #[test]
    fn a_look_up_gives_the_entry_at_or_below_and_none_below_the_first() {
        let entries = entries();
        let find = |target| {
            let Ok(hit) = search(4, |slot| Ok::<_, Infallible>(entries[slot]), target);
            hit.map(|(slot, _)| slot)
        };
        let found = [172, 188, 189, 193, 194, 202, 203, i64::MAX].map(find);
        let slots = [None, None, Some(0), Some(1), Some(2), Some(2), Some(3), Some(3)];
        assert_eq!(found, slots);
    }

    #[test]
    fn a_position_is_bounded_by_the_first_entry_at_or_behind_it() {
        let entries = entries();
        let find = |position| {
            let read = |slot: usize| Ok::<_, Infallible>(entries[slot]);
            let Ok(hit) = search_position(4, read, position);
            hit.map(|(_, entry)| entry.offset)
        };
        assert_eq!(
            [0, 481, 482, 1393, 1394].map(find),
            [Some(189), Some(189), Some(193), Some(203), None]
        );
    }

    #[test]
    fn a_cut_drops_the_entry_at_the_offset_and_all_behind_it() {
        let entries = entries();
        let kept = |offset| {
            let Ok(kept) = slots_below(4, |slot| Ok::<_, Infallible>(entries[slot]), offset);
            kept
        };
        assert_eq!([0, 189, 190, 193, 203, 204].map(kept), [0, 0, 1, 1, 3, 4]);
    }

    #[test]
    fn an_index_of_zeros_only_is_empty() {
        assert_eq!(slots_written(9, |_| Ok::<_, Infallible>([0; 8])), Ok(0));
        assert_eq!(slots_written(0, |_| Err("asked")), Ok(0));
        let read = |slot: usize| Ok::<_, Infallible>(*FROM_KAFKA.get(slot).unwrap_or(&[0; 8]));
        assert_eq!(slots_written(1000, read), Ok(4));
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
