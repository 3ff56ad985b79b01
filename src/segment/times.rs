//! Finding records by their time.

use super::names::Part;
use super::walk::{batch_at, walk};
use super::window::{READ_BYTES, Window};
use super::{Segment, Source, Stop};
use crate::error::{Cause, Error, Result};
use crate::record::{BatchHeader, HEADER_LEN, Offset, RecordBatch, Timestamp};
use std::ops::ControlFlow;

impl Segment {
    /// The largest timestamp of its batches' headers, and the last offset of the first batch that
    /// has it.
    pub(crate) fn largest(&self) -> Result<Option<(Timestamp, Offset)>> {
        Ok(self.facts()?.largest)
    }

    /// The largest timestamp of its first batch; none in an empty segment. Reads that batch's
    /// header if it is not known.
    pub(super) fn first_timestamp(&self) -> Result<Option<Timestamp>> {
        if let Some(known) = self.known_facts()
            && (known.batches == 0 || known.first_timestamp.is_some())
        {
            return Ok(known.first_timestamp);
        }
        if self.end() < HEADER_LEN as u64 {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_LEN];
        self.log_file()?.read_exact_at(&mut bytes, 0).map_err(|e| self.read_error(e))?;
        let first = BatchHeader::decode(&bytes).ok().and_then(|header| header.max_timestamp());
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

    /// The first batch at or behind offset `from` for whose header `wanted` holds, given to
    /// `found`, which may decline it. Begins where all batches before have smaller timestamps than
    /// `timestamp`.
    pub(crate) fn find_by_time<T>(
        &self,
        timestamp: Timestamp,
        from: Offset,
        wanted: impl Fn(&BatchHeader) -> bool,
        mut found: impl FnMut(u64, &RecordBatch<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        self.note_cut()?;
        let mut position = self.start_for_time(timestamp)?;
        let file = self.log_file()?;
        let end = self.end();
        let mut answer = None;
        while position < end {
            let walked = walk(&file, position, end, &mut |at, batch| {
                let header = batch.header();
                if header.last_offset() < from || !wanted(header) {
                    return ControlFlow::Continue(());
                }
                match found(at, batch) {
                    Ok(None) => ControlFlow::Continue(()),
                    other => {
                        answer = Some(other);
                        ControlFlow::Break(Cause::Mismatch("found"))
                    }
                }
            });
            let walked = walked.map_err(|e| self.read_error(e))?;
            if let Some(answer) = answer {
                return answer;
            }
            match walked.stop {
                Stop::End | Stop::Zeros => break,
                // A damaged batch may hold what is sought, but it cannot be given out.
                Stop::Failed(_) => match self.resume(walked.position, 0..Offset::MAX)? {
                    Some(next) => position = next.position,
                    None => break,
                },
            }
        }
        Ok(None)
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
            let start = (self.start_for(&mut window, entry.offset)?, self.base_offset);
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
