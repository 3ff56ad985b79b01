//! Finding records by their time.

use super::names::Part;
use super::walk::{batch_at, header_at, walk};
use super::window::{READ_BYTES, Window};
use super::{Segment, Source, Stop};
use crate::error::{Cause, Error, Result};
use crate::record::{BatchHeader, HEADER_LEN, Offset, RecordBatch, Timestamp};
use std::ops::{ControlFlow, Range};

/// What a segment holds for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByTime<T> {
    /// The first that was sought.
    Found(T),
    /// Nothing.
    Nothing,
    /// Nothing that can be given out; what is damaged may have been it.
    Damaged,
}

impl Segment {
    /// The largest timestamp of its batches' headers, and the last offset of the first batch that
    /// has it.
    pub(crate) fn largest(&self) -> Result<Option<(Timestamp, Offset)>> {
        Ok(self.facts()?.largest)
    }

    /// The largest timestamp of its first batch; none in an empty segment. Reads that batch's
    /// header if it is not known.
    pub(crate) fn first_timestamp(&self) -> Result<Option<Timestamp>> {
        if let Some(known) = self.known_facts()
            && (known.batches == 0 || known.first_timestamp.is_some())
        {
            return Ok(known.first_timestamp);
        }
        let mut window = Window::new(self.log_file()?, self.end(), HEADER_LEN);
        let first = header_at(&mut window, 0).map_err(|e| self.read_error(e))?;
        let first = first.ok().and_then(|header| header.max_timestamp());
        let mut state = self.state();
        if let Some(facts) = &mut state.facts {
            facts.first_timestamp = first;
        }
        Ok(first)
    }

    /// When its `.log` was last written to, in milliseconds: its time if no record has one.
    pub(crate) fn modified_ms(&self) -> Result<Timestamp> {
        let modified = self.log_file()?.modified_ms();
        modified.map_err(|error| Error::io("look at", self.path(Part::Log), error))
    }

    /// The first batch with some of `offsets` for whose header `wanted` holds, given to `found`,
    /// which may decline it; the segment has no offset behind them. Begins where all batches before
    /// have smaller timestamps than `timestamp`.
    pub(crate) fn find_by_time<T>(
        &self,
        timestamp: Timestamp,
        offsets: Range<Offset>,
        wanted: impl Fn(&BatchHeader) -> bool,
        mut found: impl FnMut(u64, &RecordBatch<'_>) -> Result<Option<T>>,
    ) -> Result<ByTime<T>> {
        self.note_cut()?;
        let mut position = self.start_for_time(timestamp)?;
        let file = self.log_file()?;
        let end = self.end();
        let mut is_damaged = self.known_facts().is_some_and(|facts| facts.log_bytes > end);
        let mut answer = None;
        while position < end {
            let walked = walk(&file, position, end, &mut |at, batch| {
                let header = batch.header();
                if !wanted(header) {
                    return ControlFlow::Continue(());
                }
                match self.is_read_at(at, header.base_offset(), offsets.end) {
                    Ok(true) if header.last_offset() < offsets.start => {
                        return ControlFlow::Continue(());
                    }
                    Ok(true) => {}
                    Ok(false) => {
                        let why = "its offsets are not those that belong there";
                        return ControlFlow::Break(Cause::Mismatch(why));
                    }
                    Err(error) => {
                        answer = Some(Err(error));
                        return ControlFlow::Break(Cause::Mismatch("not read"));
                    }
                }
                match found(at, batch) {
                    Ok(None) => ControlFlow::Continue(()),
                    other => {
                        answer = other.transpose();
                        ControlFlow::Break(Cause::Mismatch("found"))
                    }
                }
            });
            let walked = walked.map_err(|e| self.read_error(e))?;
            if let Some(answer) = answer {
                return answer.map(ByTime::Found);
            }
            match walked.stop {
                Stop::End | Stop::Zeros => break,
                // A damaged batch may hold what is sought, but it cannot be given out.
                Stop::Failed(_) => {
                    is_damaged = true;
                    match self.resume(walked.position, 0..Offset::MAX)? {
                        Some(next) => position = next.position,
                        None => break,
                    }
                }
            }
        }
        Ok(if is_damaged { ByTime::Damaged } else { ByTime::Nothing })
    }

    /// Whether a batch, whose offsets no checksum covers, is what a fetch at its own offset gives.
    fn is_read_at(&self, position: u64, base_offset: Offset, segment_end: Offset) -> Result<bool> {
        let (from, until) = (base_offset, Offset::MAX);
        match self.read(super::ReadRange { from, until, max_bytes: 1, segment_end }) {
            Ok(slice) => Ok(slice.is_some_and(|slice| slice.position == position)),
            Err(Error::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A position before which no batch has a timestamp as large as `timestamp`.
    fn start_for_time(&self, timestamp: Timestamp) -> Result<u64> {
        let mut slots = usize::MAX;
        let mut rebuilt = false;
        let mut window = Window::new(self.log_file()?, self.end(), READ_BYTES / 4);
        // All timestamps up to this entry's offset are at most the entry's, so smaller than sought.
        while let Some((slot, entry)) = self.time_entry(timestamp.saturating_sub(1), slots)? {
            let range = super::ReadRange {
                from: entry.offset,
                until: Offset::MAX,
                max_bytes: 0,
                segment_end: Offset::MAX,
            };
            let start = (self.start_for(&mut window, entry.offset, false)?, self.base_offset);
            if let Ok(Some((position, _))) = self.locate(&mut window, start, range) {
                let batch = batch_at(&mut window, position).map_err(|e| self.read_error(e))?;
                let named = batch.is_ok_and(|batch| {
                    batch.header().last_offset() == entry.offset
                        && batch.header().max_timestamp() == Some(entry.timestamp)
                });
                if named {
                    return Ok(position);
                }
            }
            let is_growing = matches!(self.state().time_index, Source::Growing(_));
            if rebuilt || is_growing {
                slots = slot;
            } else {
                self.rebuild()?;
                rebuilt = true;
                slots = usize::MAX;
            }
        }
        Ok(0)
    }
}
