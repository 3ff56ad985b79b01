//! Where batches begin between two entries of an offset index, as readers have found it: who asks
//! again for a record of small batches reads about that record, and not what lies before it.
//!
//! What is noted here is worth as much as an index entry: it counts only if the batch there is
//! whole, passes its checksum and begins at or below what is wanted.

use std::ops::Range;

use super::Segment;
use super::lookup::Near;
use super::piece::LEAST_BATCH;
use super::reads::{WAYS, Ways};
use crate::error::Result;
use crate::index::OffsetEntry;
use crate::record::{BatchError, BatchHeader, HEADER_LEN, Offset, RecordBatch};

/// No more bytes than these are read for a small batch.
const MOST_BYTES: usize = 64 << 10;

/// What lies between two entries of an offset index, or before the first: behind the batch of the
/// one up to that of the other. It is divided into as many parts of equal numbers of offsets as
/// there are ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its number in the segment: that of the entry behind it.
    number: usize,
    /// Where the first of the two batches begins.
    position: u64,
    /// The last offset before it.
    before: Offset,
    /// The entry behind it, whose offset is its last.
    behind: OffsetEntry,
}

impl Stretch {
    /// That in which `wanted` lies, if entries around it say so. One that is too long for ways is
    /// none: there the batches are large, and have entries of their own.
    fn around(near: Near, base_offset: Offset, wanted: Offset) -> Option<Stretch> {
        let (number, position, before) = match near.before {
            Some((slot, entry)) => (slot + 1, u64::from(entry.position), entry.offset),
            None => (0, 0, base_offset - 1),
        };
        let behind = near.behind?;
        let bytes = u64::from(behind.position).checked_sub(position)?;
        let is_within = before < wanted && wanted <= behind.offset;
        (is_within && u16::try_from(bytes).is_ok()).then_some(Stretch {
            number,
            position,
            before,
            behind,
        })
    }

    fn offsets(&self) -> i64 {
        self.behind.offset - self.before
    }

    /// The part in which an offset of the stretch lies.
    fn part_of(&self, offset: Offset) -> usize {
        ((offset - self.before - 1) * WAYS as i64 / self.offsets()) as usize
    }

    /// The first offset of a part.
    fn first_of(&self, part: usize) -> Offset {
        let offsets = part as i64 * self.offsets();
        self.before + 1 + (offsets + WAYS as i64 - 1) / WAYS as i64
    }

    /// Bytes between the beginnings of the two batches: no more than a way can lead over.
    fn bytes(&self) -> i64 {
        i64::from(self.behind.position) - self.position as i64
    }

    /// Bytes from its beginning up to the last batch, and that one's header.
    fn whole_bytes(&self) -> usize {
        self.bytes() as usize + HEADER_LEN
    }

    /// Bytes of a batch, if each holds one record and all are equally long.
    fn mean_bytes(&self) -> usize {
        (self.bytes() / self.offsets()) as usize
    }

    /// The ways to the parts, which begin in `bytes`: all of it. Where offsets are left out, the batch
    /// before has to pass its checksum.
    fn ways_in(&self, bytes: &[u8]) -> Option<Ways> {
        let (mut at, mut part, mut ways) = (0, 0, Ways::default());
        let mut before: Option<(usize, Offset)> = None;
        loop {
            let header = BatchHeader::decode(bytes.get(at..)?).ok()?;
            if let Some((from, expected)) = before
                && header.base_offset() != expected
            {
                let is_whole = RecordBatch::decode(bytes.get(from..at)?).is_ok();
                if header.base_offset() < expected || !is_whole {
                    return None;
                }
            }
            while part < WAYS && self.first_of(part) <= header.last_offset() {
                // A part whose first offsets are missing begins with the batch behind them.
                if at > 0 {
                    ways = ways.with(part, u16::try_from(at).ok()?);
                }
                part += 1;
            }
            if at + HEADER_LEN == bytes.len() {
                return Some(ways);
            }
            before = Some((at, header.next_offset()));
            at += header.size_bytes();
        }
    }

    /// How many bytes are likely to hold the batch of an offset and the header behind it, read from
    /// where its part begins.
    fn likely_bytes(&self, ways: Ways, part: usize, wanted: Offset) -> usize {
        let from = ways.to(part).unwrap_or(0);
        let known = (part + 1..WAYS)
            .filter(|&later| self.first_of(later) > wanted)
            .find_map(|later| ways.to(later).filter(|&to| to > from));
        let bytes = known.map_or_else(
            || {
                // As if all were equally long, and a little more.
                let some = wanted - self.first_of(part) + 1;
                let likely = self.bytes().saturating_mul(some) / self.offsets();
                (likely + likely / 8) as usize + HEADER_LEN
            },
            |to| usize::from(to - from),
        );
        bytes + HEADER_LEN
    }
}

impl Segment {
    /// Reads the batch that holds `offset` into `room`, which begins with it then, if it is small and
    /// everything about it is as it should be: else nothing is said, and the whole story is that of
    /// [`Segment::read`]. `near` are the entries around `offset - 1`, and no batch ends behind
    /// `segment_end`.
    pub(crate) fn read_small(
        &self,
        near: Near,
        (offset, segment_end): (Offset, Offset),
        room: &mut Vec<u8>,
    ) -> Result<Option<BatchHeader>> {
        let Some(stretch) = Stretch::around(near, self.base_offset, offset) else {
            return Ok(None);
        };
        let places = self.places();
        let (part, ways) =
            (stretch.part_of(offset), self.shared.reads.ways(places, stretch.number));
        // Who does not know the way reads the whole stretch, and knows all its ways then.
        let (from, mut bytes) = match ways.to(part) {
            Some(way) => (u64::from(way), stretch.likely_bytes(ways, part, offset)),
            None => (0, stretch.whole_bytes() + stretch.mean_bytes()),
        };
        let position = stretch.position + from;
        let Some(left) = self.end().checked_sub(position) else { return Ok(None) };
        let file = self.log_file()?;
        loop {
            bytes = bytes.min(usize::try_from(left).unwrap_or(usize::MAX));
            room.resize(bytes, 0);
            if file.read_exact_at(room, position).is_err() {
                return Ok(None);
            }
            let behind = if bytes as u64 == left { Some(segment_end) } else { None };
            match batch_in(room, offset, behind) {
                Found::Batch(range, next) => {
                    if range.len() >= LEAST_BATCH {
                        break;
                    }
                    if ways.to(part).is_none()
                        && let Some(whole) = room.get(..stretch.whole_bytes())
                        && let Some(ways) = stretch.ways_in(whole)
                    {
                        self.shared.reads.keep_ways(places, stretch.number, ways);
                    }
                    let Ok(header) = BatchHeader::decode(&room[range.clone()]) else { break };
                    room.copy_within(range.clone(), 0);
                    room.truncate(range.len());
                    let agrees = header.next_offset() == next
                        || header.next_offset() < next && !self.is_dense();
                    return Ok((agrees && next <= segment_end).then_some(header));
                }
                Found::More(wanted) if bytes < wanted && wanted <= MOST_BYTES => bytes = wanted,
                Found::More(_) | Found::Nothing => break,
            }
        }
        Ok(None)
    }
}

/// What was read of a segment.
enum Found {
    /// A batch that was asked for, and the offset that the batch behind it begins with.
    Batch(Range<usize>, Offset),
    /// So many bytes are needed to tell.
    More(usize),
    Nothing,
}

/// The batch that holds `offset`, of the whole ones that `bytes` begin with, one right behind the
/// other. Behind the bytes comes the offset `behind`, if that is known.
fn batch_in(bytes: &[u8], offset: Offset, behind: Option<Offset>) -> Found {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let batch = match RecordBatch::decode(rest) {
            Ok(batch) => batch,
            Err(BatchError::Incomplete { need, .. }) => return Found::More(at + need + HEADER_LEN),
            Err(_) => return Found::Nothing,
        };
        let (header, len) = (batch.header(), batch.bytes().len());
        let next = match (rest.get(len..).unwrap_or_default(), behind) {
            ([], Some(behind)) => behind,
            (rest, _) => match BatchHeader::decode(rest) {
                Ok(next) => next.base_offset(),
                Err(BatchError::Incomplete { .. }) => return Found::More(at + len + HEADER_LEN),
                Err(_) => return Found::Nothing,
            },
        };
        if header.is_legacy() || header.base_offset() > offset {
            return Found::Nothing;
        }
        if header.last_offset() >= offset {
            return Found::Batch(at..at + len, next);
        }
        if header.next_offset() > next {
            return Found::Nothing;
        }
        at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(before: Option<(usize, OffsetEntry)>, behind: OffsetEntry) -> Option<Stretch> {
        Stretch::around(Near { before, behind: Some(behind) }, 100, behind.offset)
    }

    fn entry(offset: Offset, position: u32) -> OffsetEntry {
        OffsetEntry { offset, position }
    }

    #[test]
    fn each_offset_lies_in_the_part_that_begins_at_or_before_it() {
        for behind in [101, 102, 104, 105, 130, 4000] {
            let stretch = stretch(Some((7, entry(100, 50))), entry(behind, 4200)).unwrap();
            for offset in 101..=behind {
                let part = stretch.part_of(offset);
                assert!(part < WAYS && stretch.first_of(part) <= offset, "{offset} of {behind}");
                assert!(part + 1 == WAYS || stretch.first_of(part + 1) > offset, "{offset}");
            }
        }
    }

    #[test]
    fn before_the_first_entry_a_stretch_begins_with_the_segment() {
        let first = stretch(None, entry(110, 9000)).unwrap();
        assert_eq!((first.number, first.position, first.before), (0, 0, 99));
    }

    #[test]
    fn entries_that_are_far_apart_or_in_disorder_make_no_stretch() {
        assert_eq!(stretch(None, entry(110, 70_000)), None);
        assert_eq!(stretch(Some((0, entry(100, 60))), entry(110, 50)), None);
        assert_eq!(stretch(Some((0, entry(120, 60))), entry(110, 90)), None);
    }
}
