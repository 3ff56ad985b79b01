//! A batch that was checked whole once, in pieces that are checked each by itself from then on.
//!
//! The checksum of a batch covers all of it, so that one record of a large batch costs as much as
//! all of them. But what the checksum was at a record's beginning, and what it was some records on,
//! tells whether the bytes between are still those that were checked.

use std::ops::Range;

use super::{BatchHeader, FetchedRecord, HEADER_LEN, Offset, RecordBatch, Records};
use crate::compression::Codec;
use crate::wire::{Cursor, crc32c, varint};

/// A piece ends with the first record that makes it so long.
const PIECE_BYTES: usize = 2000;

/// Where the pieces of a batch are, and their checksums: some 13 bytes for each 2 KiB.
#[derive(Debug)]
pub(crate) struct Pieces {
    header: BatchHeader,
    /// The checksum at the first record.
    start_crc: u32,
    steps: Box<[Step]>,
}

/// One piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// The batch's checksum up to its end.
    crc: u32,
    bytes: u16,
    /// The offset of the next piece's first record less that of this one's.
    offsets: u16,
}

/// Where a piece lies in its batch, and what its bytes have to sum to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) range: Range<usize>,
    crc_before: u32,
    crc_behind: u32,
}

impl Piece {
    /// Whether `bytes` are those that were checked with the whole batch.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        crc32c::extend(self.crc_before, bytes) == self.crc_behind
    }
}

impl Pieces {
    /// The pieces of a batch; none if its records do not lie in it as they are, or not in order.
    pub(crate) fn of(batch: &RecordBatch<'_>) -> Option<Pieces> {
        let header = *batch.header();
        if header.is_legacy() || batch.codec() != Ok(Codec::None) {
            return None;
        }
        let covered = HEADER_LEN - BatchHeader::COVERED_HEADER_LEN;
        let start_crc = crc32c::checksum(batch.bytes().get(covered..HEADER_LEN)?);
        let records = batch.payload();
        let mut steps = Vec::with_capacity(records.len() / PIECE_BYTES + 1);
        let (mut crc, mut from, mut at) = (start_crc, 0, 0);
        // The offset at which the piece begins, and that at which the next record can.
        let (mut first, mut next) = (0, 0);
        for _ in 0..header.record_count() {
            let (len, delta) = measure(records.get(at..)?)?;
            if delta < next {
                return None;
            }
            if at - from >= PIECE_BYTES {
                crc = crc32c::extend(crc, records.get(from..at)?);
                let offsets = u16::try_from(delta - first).ok()?;
                steps.push(Step { crc, bytes: u16::try_from(at - from).ok()?, offsets });
                (from, first) = (at, delta);
            }
            (at, next) = (at + len, delta.checked_add(1)?);
        }
        crc = crc32c::extend(crc, records.get(from..at)?);
        steps.push(Step { crc, bytes: u16::try_from(at - from).ok()?, offsets: u16::MAX });
        let is_whole = at == records.len() && crc == header.crc();
        is_whole.then(|| Pieces { header, start_crc, steps: steps.into_boxed_slice() })
    }

    /// The batch's header.
    pub(crate) fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes of memory that it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of::<Pieces>() + size_of_val(&*self.steps)
    }

    /// The piece in which the record at `offset` lies, if the batch has it.
    pub(crate) fn piece_of(&self, offset: Offset) -> Option<Piece> {
        if offset > self.header.last_offset() {
            return None;
        }
        let delta = offset.checked_sub(self.header.base_offset())?;
        let mut left = u32::try_from(delta).ok()?;
        let (mut start, mut crc_before) = (HEADER_LEN, self.start_crc);
        let last = self.steps.len().checked_sub(1)?;
        for (number, step) in self.steps.iter().enumerate() {
            if number == last || left < u32::from(step.offsets) {
                let range = start..start + usize::from(step.bytes);
                return Some(Piece { range, crc_before, crc_behind: step.crc });
            }
            left -= u32::from(step.offsets);
            (start, crc_before) = (start + usize::from(step.bytes), step.crc);
        }
        None
    }

    /// The record at `offset`, if `piece`, the bytes of its piece, holds it.
    pub(crate) fn record_in<'a>(
        &self,
        piece: &'a [u8],
        offset: Offset,
    ) -> Option<FetchedRecord<'a>> {
        Records::in_piece(&self.header, piece).at(offset).ok().flatten()
    }
}

/// How many bytes the record takes that `bytes` begin with, and its offset less its batch's.
fn measure(bytes: &[u8]) -> Option<(usize, i32)> {
    let mut cursor = Cursor::new(bytes);
    let size = usize::try_from(varint::get(&mut cursor).ok()?).ok()?;
    let len = bytes.len() - cursor.remaining() + size;
    let mut body = Cursor::new(cursor.take(size).ok()?);
    body.u8().ok()?; // attributes
    varint::get_long(&mut body).ok()?; // timestamp
    Some((len, varint::get(&mut body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::Compressor;
    use crate::record::{Batch, Record, TimestampType, Wanted};

    fn encoded(batch: &mut Batch) -> Vec<u8> {
        let wanted =
            Wanted { now: 7, timestamp_type: TimestampType::CreateTime, compression: None };
        let mut scratch = Vec::new();
        let (draft, _) = batch.draft(wanted, &mut Compressor::new(), &mut scratch).unwrap();
        draft.bytes.to_vec()
    }

    fn values() -> Vec<Vec<u8>> {
        (0..300_usize).map(|n| vec![n as u8; n * 7919 % 1500]).collect()
    }

    #[test]
    fn each_record_is_in_its_piece_and_the_piece_holds() {
        let values = values();
        let records = values.iter().map(|value| Record::new().value(value));
        let bytes = encoded(&mut Batch::of(records));
        let pieces = Pieces::of(&RecordBatch::decode(&bytes).unwrap()).unwrap();
        assert!(pieces.size_bytes() <= bytes.len() / 2048 * 16, "{}", pieces.size_bytes());
        for (offset, value) in values.iter().enumerate() {
            let piece = pieces.piece_of(offset as Offset).unwrap();
            let bytes = &bytes[piece.range.clone()];
            assert!(piece.holds(bytes) && bytes.len() < PIECE_BYTES + 2 * 1500, "{offset}");
            let record = pieces.record_in(bytes, offset as Offset).unwrap();
            assert_eq!((record.value(), record.timestamp()), (Some(&value[..]), Some(7)));
        }
        assert_eq!((pieces.piece_of(-1), pieces.piece_of(300)), (None, None));
    }

    #[test]
    fn a_piece_in_which_a_bit_is_flipped_does_not_hold() {
        let values = values();
        let records = values.iter().map(|value| Record::new().value(value));
        let mut bytes = encoded(&mut Batch::of(records));
        let pieces = Pieces::of(&RecordBatch::decode(&bytes).unwrap()).unwrap();
        for flipped in (HEADER_LEN..bytes.len()).step_by(997) {
            bytes[flipped] ^= 4;
            for offset in (0..300).step_by(10) {
                let piece = pieces.piece_of(offset).unwrap();
                let is_hit = piece.range.contains(&flipped);
                assert_eq!(piece.holds(&bytes[piece.range.clone()]), !is_hit);
            }
            bytes[flipped] ^= 4;
        }
    }

    #[test]
    fn a_batch_that_is_compressed_or_empty_has_no_pieces() {
        let record = Record::new().value("some records, some records");
        let mut batch = Batch::of([record; 9]).compression(Codec::Lz4);
        assert!(Pieces::of(&RecordBatch::decode(&encoded(&mut batch)).unwrap()).is_none());
        let huge = vec![0; 70_000];
        let bytes = encoded(&mut Batch::of([Record::new().value(&huge)]));
        assert!(Pieces::of(&RecordBatch::decode(&bytes).unwrap()).is_none(), "no step is so wide");
    }
}
