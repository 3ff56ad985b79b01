//! Following as a read-committed reader: what lies behind the first open transaction is held back
//! until that ends, and what was aborted is left out.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use strandline::record::RecordBatch;
use strandline::{LogFile, Piece};

use crate::exit::Result;
use crate::paths::OneLog;
use crate::reading::committed::{Hidden, end_of};
use crate::reading::headers::each_header;
use crate::reading::pace::Pieces;

/// Where a batch lies that is held back.
struct Place {
    path: PathBuf,
    base: i64,
    position: u64,
    last_offset: i64,
    crc: u32,
}

/// What is held back of a log, and why.
pub(super) struct Held {
    pub(super) hidden: Hidden,
    places: VecDeque<Place>,
}

impl Held {
    /// What a reader has to wait for that comes to a log when it ends at `end`.
    pub(super) fn of(log: &OneLog, end: i64) -> Result<Held> {
        let mut held = Held { hidden: Hidden::upto(log, end)?, places: VecDeque::new() };
        let Some(stable) = held.hidden.last_stable_offset else { return Ok(held) };
        for input in &log.segments {
            let base = input.base()?;
            each_header(input, 0, &mut |position, header| {
                let (last_offset, crc) = (header.last_offset(), header.crc());
                if (stable..end).contains(&header.base_offset()) {
                    let path = input.path.clone();
                    held.places.push_back(Place { path, base, position, last_offset, crc });
                }
                Ok(header.base_offset() < end)
            })?;
        }
        Ok(held)
    }

    /// The next batch came, to this place of a file.
    pub(super) fn take(
        &mut self,
        (path, base): (&Path, i64),
        position: u64,
        batch: &RecordBatch<'_>,
    ) -> Result<()> {
        let header = batch.header();
        self.hidden.take(header, || Ok(end_of(batch)))?;
        let (last_offset, crc) = (header.last_offset(), header.crc());
        let path = path.to_path_buf();
        self.places.push_back(Place { path, base, position, last_offset, crc });
        Ok(())
    }

    /// The log ends at this offset now.
    pub(super) fn cut(&mut self, end: i64) {
        self.hidden.cut(end);
        self.places.retain(|place| place.last_offset < end);
    }

    /// Gives every batch that no open transaction holds back any more.
    pub(super) fn release(
        &mut self,
        give: &mut dyn FnMut(u64, &RecordBatch<'_>, &Hidden) -> Result<()>,
    ) -> Result<()> {
        let stable = self.hidden.last_stable_offset.unwrap_or(i64::MAX);
        while let Some(place) = self.places.pop_front_if(|place| place.last_offset < stable) {
            // What retention or a cut took away meanwhile is gone.
            let Ok(log) = LogFile::open_at(&place.path, place.base) else { continue };
            let mut pieces = Pieces::of(&log, &place.path, place.position);
            let Some(piece) = pieces.next_piece()? else { continue };
            if let Piece::Batch(batch) = &piece.what
                && batch.header().crc() == place.crc
            {
                give(place.position, batch, &self.hidden)?;
            }
        }
        Ok(())
    }
}
