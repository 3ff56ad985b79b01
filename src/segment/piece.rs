//! Reading one record of a large batch: a piece of it, once the whole was checked.

use super::Segment;
use super::lookup::Near;
use crate::error::Result;
use crate::record::{Offset, Pieces, RecordBatch};

/// A smaller batch is read whole each time.
pub(super) const LEAST_BATCH: usize = 16 << 10;

impl Segment {
    /// The index entries around the last offset before `offset`.
    pub(crate) fn before(&self, offset: Offset) -> Result<Near> {
        self.offset_entries(offset - 1, usize::MAX)
    }

    /// Reads the piece in which the record at `offset` lies into `room`, and says of which batch it
    /// is, if that was checked whole before and the piece is still what it was. `near` is what
    /// [`Segment::before`] says.
    pub(crate) fn read_piece(
        &self,
        near: Near,
        offset: Offset,
        room: &mut Vec<u8>,
    ) -> Result<Option<std::sync::Arc<Pieces>>> {
        // Of large batches each has an entry, with its last offset.
        let Some(entry) = near.behind else { return Ok(None) };
        let position = u64::from(entry.position);
        let Some(pieces) = self.shared.reads.pieces(self.places(), position) else {
            return Ok(None);
        };
        let Some(piece) = pieces.piece_of(offset) else { return Ok(None) };
        let at = position + piece.range.start as u64;
        if at + piece.range.len() as u64 > self.end() {
            return Ok(None);
        }
        room.resize(piece.range.len(), 0);
        let read = self.log_file()?.read_exact_at(room, at);
        // What is wrong with the batch is told by who reads all of it.
        Ok((read.is_ok() && piece.holds(room)).then_some(pieces))
    }

    /// Remembers of a batch that was read at `position`, and checked, where its pieces are, if it is
    /// large. `places` is what [`Segment::places`] said before it was read.
    pub(crate) fn note_pieces(&self, places: u64, position: u64, batch: &RecordBatch<'_>) {
        if batch.bytes().len() >= LEAST_BATCH
            && let Some(pieces) = Pieces::of(batch)
        {
            self.shared.reads.keep_pieces(places, position, pieces);
        }
    }
}
