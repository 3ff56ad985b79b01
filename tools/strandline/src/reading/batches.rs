//! All batches of a log, segment after segment; damage is reported and passed over.

use strandline::compression::Decompressor;
use strandline::record::{FetchedRecord, RecordBatch};
use strandline::{LogFile, Piece};

use crate::exit::{Exit, Result, complain};
use crate::paths::OneLog;
use crate::reading::pace::Pieces;

/// Gives out every batch whose checksum holds. The exit says whether damage was passed over.
pub(crate) fn each_batch(
    log: &OneLog,
    mut give: impl FnMut(&RecordBatch<'_>) -> Result<()>,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    for segment in &log.segments {
        let file = LogFile::open_at(&segment.path, segment.base()?)?;
        let mut pieces = Pieces::of(&file, &segment.path, 0);
        while let Some(piece) = pieces.next_piece()? {
            match piece.what {
                Piece::Batch(batch) => give(&batch)?,
                Piece::Damage(damage) => {
                    let (name, position, len) = (&segment.name, piece.position, piece.size_bytes);
                    let cause = damage.cause;
                    let what = format_args!(
                        "{name}: {len} bytes at byte {position} are passed over: {cause}"
                    );
                    complain("error", what);
                    exit = exit.and(Exit::Incomplete);
                }
                _ => {}
            }
        }
    }
    Ok(exit)
}

/// Reads the records of batches, one batch after the other.
pub(crate) struct RecordReader {
    decompressor: Decompressor,
    inflated: Vec<u8>,
    max_inflated: usize,
}

impl RecordReader {
    /// A reader that inflates a batch to so many bytes at most.
    pub(crate) fn new(max_inflated: usize) -> RecordReader {
        RecordReader { decompressor: Decompressor::new(), inflated: Vec::new(), max_inflated }
    }

    /// Gives out the records of a batch. What cannot be read ends them, with a word on stderr.
    pub(crate) fn each_record(
        &mut self,
        log: &OneLog,
        batch: &RecordBatch<'_>,
        mut give: impl FnMut(&FetchedRecord<'_>) -> Result<()>,
    ) -> Result<Exit> {
        let offset = batch.header().base_offset();
        let unread = |cause| {
            let name = &log.name;
            complain("error", format_args!("{name}: the batch of offset {offset}: {cause}"));
            Exit::Incomplete
        };
        let with = &mut self.decompressor;
        let records = match batch.records(with, self.max_inflated, &mut self.inflated) {
            Ok(records) => records,
            Err(cause) => return Ok(unread(cause)),
        };
        for record in records {
            match record {
                Ok(record) => give(&record)?,
                Err(cause) => return Ok(unread(cause)),
            }
        }
        Ok(Exit::Done)
    }
}
