//! Reading a segment: from an offset to its batch, and on from there.

use super::names::Part;
use super::source::{Expected, Source};
use super::walk::{Resumed, batch_at, resume_behind, walk};
use super::window::{READ_BYTES, Window};
use super::{Facts, Segment, State, Stop};
use crate::error::{Cause, Error, Result};
use crate::fs::Access;
use crate::index::{OFFSET_ENTRY_LEN, OffsetEntry, TimeEntry, last_before, slots_to_trust};
use crate::record::{BatchError, BatchHeader, HEADER_LEN, Offset, RecordBatch, Timestamp};
use crate::wire::crc32c;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRange {
    /// Begin with the batch that holds this offset, or the next one behind it.
    pub(crate) from: Offset,
    /// Leave out the batch that holds this offset, and what follows it.
    pub(crate) until: Offset,
    /// Stop before there are more bytes than these, but not before the first batch.
    pub(crate) max_bytes: usize,
    /// No batch ends behind this offset: the next segment's base, or the log end.
    pub(crate) segment_end: Offset,
}

/// Whole batches, each checked, in a buffer that may hold more.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) bytes: Vec<u8>,
    pub(crate) range: std::ops::Range<usize>,
    /// Where in the file they begin.
    pub(crate) position: u64,
    /// The offset behind the last one.
    pub(crate) next_offset: Offset,
    /// How many of them are compressed.
    pub(crate) compressed: usize,
}

/// More than is asked for is read at once, so that the batch that holds an offset is mostly in the
/// same read as the index entry's.
const SLACK_BYTES: usize = 16 << 10;

impl Segment {
    /// The batches of `range`; `None` if this segment has none at or behind its start.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the first of them is damaged; damage behind it ends the slice before it.
    pub(crate) fn read(&self, range: ReadRange) -> Result<Option<Slice>> {
        let end = self.end();
        let piece = range.max_bytes.saturating_add(SLACK_BYTES).min(64 << 20);
        let mut window = Window::new(self.log_file()?, end, piece);
        let Some((position, first)) = self.locate(&mut window, range)? else { return Ok(None) };
        if first.last_offset() >= range.until {
            let next_offset = range.from;
            return Ok(Some(Slice {
                bytes: Vec::new(),
                range: 0..0,
                position,
                next_offset,
                compressed: 0,
            }));
        }
        self.gather(window, position, range).map(Some)
    }

    /// Whole batches from `position` on.
    fn gather(&self, mut window: Window, position: u64, range: ReadRange) -> Result<Slice> {
        window.keep_from(position);
        let (mut at, mut next_offset, mut compressed) = (position, range.from, 0);
        let mut dense_next = None;
        while at < window.end() {
            let checked = batch_at(&mut window, at).map_err(|e| self.read_error(e))?;
            let taken = (at - position) as usize;
            let batch = match checked.map_err(Cause::from) {
                Ok(batch) => match misplaced(batch.header(), dense_next, range.segment_end) {
                    None => batch,
                    Some(cause) if taken == 0 => {
                        return Err(self.corrupt(at, Some(batch.header()), cause));
                    }
                    Some(_) => break,
                },
                Err(cause) if taken == 0 => {
                    return Err(self.corrupt_region(at, range, cause)?);
                }
                Err(_) => break,
            };
            let (header, size) = (*batch.header(), batch.bytes().len());
            if !self.agrees_with_next(&mut window, (at, &header), range.segment_end)? {
                if taken == 0 {
                    let cause = Cause::Mismatch("its offsets are not those that belong there");
                    return Err(self.corrupt(at, Some(&header), cause));
                }
                break;
            }
            let fits = taken == 0 || taken + size <= range.max_bytes;
            if !fits || header.last_offset() >= range.until {
                break;
            }
            compressed += usize::from(header.attributes().codec_id() != 0);
            next_offset = header.next_offset();
            dense_next = Some(next_offset);
            at += size as u64;
        }
        let len = (at - position) as usize;
        window.at_most(position, len).map_err(|e| self.read_error(e))?;
        let (start, bytes) = window.into_bytes();
        let from = (position - start) as usize;
        Ok(Slice { bytes, range: from..from + len, position, next_offset, compressed })
    }

    /// Whether a batch's offsets, which no checksum covers, agree with those of the batch behind it,
    /// or with the segment's end. If they do not, the batches from the start on tell which is wrong.
    fn agrees_with_next(
        &self,
        window: &mut Window,
        (position, header): (u64, &BatchHeader),
        segment_end: Offset,
    ) -> Result<bool> {
        let behind = position + header.size_bytes() as u64;
        let bytes = window.at_most(behind, HEADER_LEN).map_err(|e| self.read_error(e))?;
        let next = match BatchHeader::decode(bytes) {
            Ok(next) => next.base_offset(),
            Err(_) if behind >= window.end() => segment_end,
            // That one is damaged, and says nothing.
            Err(_) => return Ok(true),
        };
        let is_dense = self.known_facts().is_some_and(|facts| facts.dense);
        if header.next_offset() == next || header.next_offset() < next && !is_dense {
            return Ok(true);
        }
        let mut look = Window::new(self.log_file()?, window.end(), READ_BYTES);
        let (mut at, mut expected) = (0, self.base_offset);
        while at < position {
            let bytes = look.at_most(at, HEADER_LEN).map_err(|e| self.read_error(e))?;
            let Ok(before) = BatchHeader::decode(bytes) else { return Ok(true) };
            expected = expected.max(before.next_offset());
            at += before.size_bytes() as u64;
        }
        Ok(if is_dense {
            header.base_offset() == expected
        } else {
            header.base_offset() >= expected
        })
    }

    /// Where the first batch lies whose last offset is at or behind `range.from`, and its header.
    pub(super) fn locate(
        &self,
        window: &mut Window,
        range: ReadRange,
    ) -> Result<Option<(u64, BatchHeader)>> {
        let mut position = self.start_for(window, range.from)?;
        let mut expected = self.base_offset;
        while position < window.end() {
            let bytes = window.at_most(position, HEADER_LEN).map_err(|e| self.read_error(e))?;
            let header = match BatchHeader::decode(bytes) {
                Err(cause @ BatchError::Legacy(_)) => {
                    return Err(self.corrupt(position, None, cause.into()));
                }
                Ok(header)
                    if header.base_offset() >= expected
                        && position + header.size_bytes() as u64 <= window.end() =>
                {
                    header
                }
                _ => {
                    // Damage lies before what is wanted, or is what is wanted.
                    let resumed = self.resume(position, expected..range.segment_end)?;
                    match resumed {
                        Some(resumed) if resumed.base_offset <= range.from => {
                            position = resumed.position;
                            expected = resumed.base_offset;
                            continue;
                        }
                        _ => return Err(self.damage(position, expected, resumed, range)),
                    }
                }
            };
            if header.last_offset() >= range.from {
                return Ok(Some((position, header)));
            }
            expected = header.next_offset();
            position += header.size_bytes() as u64;
        }
        Ok(None)
    }

    /// A position at or before the batch that holds `wanted`, from the offset index. An entry counts
    /// only if the batch that it names is whole and begins at or below `wanted`.
    fn start_for(&self, window: &mut Window, wanted: Offset) -> Result<u64> {
        let mut slots = usize::MAX;
        let mut rebuilt = false;
        while let Some((slot, entry)) = self.offset_entry(wanted, slots)? {
            let position = u64::from(entry.position);
            if position < window.end() {
                let batch = batch_at(window, position).map_err(|e| self.read_error(e))?;
                if batch.is_ok_and(|batch| batch.header().base_offset() <= wanted) {
                    return Ok(position);
                }
            }
            if !rebuilt && !self.is_growing() {
                self.rebuild()?;
                rebuilt = true;
                slots = usize::MAX;
            } else {
                slots = slot;
            }
        }
        Ok(0)
    }

    /// The last entry below `slots` with an offset at or below `wanted`.
    fn offset_entry(&self, wanted: Offset, slots: usize) -> Result<Option<(usize, OffsetEntry)>> {
        let base = self.base_offset;
        let found = self.search(
            |state| &state.offset_index,
            Part::OffsetIndex,
            slots,
            |bytes| OffsetEntry::decode(base, *bytes).is_ok_and(|entry| entry.offset <= wanted),
        )?;
        let entry = |(slot, bytes)| Some((slot, OffsetEntry::decode(base, bytes).ok()?));
        Ok(found.and_then(entry))
    }

    /// The last time entry below `slots` with a timestamp at or below `wanted`.
    pub(super) fn time_entry(
        &self,
        wanted: Timestamp,
        slots: usize,
    ) -> Result<Option<(usize, TimeEntry)>> {
        let base = self.base_offset;
        let found = self.search(
            |state| &state.time_index,
            Part::TimeIndex,
            slots,
            |bytes| TimeEntry::decode(base, *bytes).is_ok_and(|entry| entry.timestamp <= wanted),
        )?;
        let entry = |(slot, bytes)| Some((slot, TimeEntry::decode(base, bytes).ok()?));
        Ok(found.and_then(entry))
    }

    /// The last of the first `slots` entries for which `holds`, which holds for a run of entries
    /// from the first on.
    fn search<const N: usize>(
        &self,
        source: impl Fn(&State) -> &Source<N>,
        part: Part,
        slots: usize,
        holds: impl Fn(&[u8; N]) -> bool,
    ) -> Result<Option<(usize, [u8; N])>> {
        let finished = {
            let state = self.state();
            match source(&state) {
                Source::Growing(growing) => {
                    let entries = growing.len().min(slots);
                    let found = last_before(entries, |slot| growing.entry(slot), holds);
                    return found.map_err(|error| Error::io("read", self.path(part), error));
                }
                Source::Memory(bytes) => Arc::clone(bytes),
                Source::File(expected) => {
                    let expected = *expected;
                    drop(state);
                    self.index_file(&source, part, expected)?
                }
            }
        };
        let entry = |slot: usize| {
            let bytes = finished.get(slot * N..(slot + 1) * N).unwrap_or(&[0; N]);
            let mut entry = [0; N];
            entry.copy_from_slice(bytes);
            Ok(entry)
        };
        let entries = (finished.len() / N).min(slots);
        let found = last_before(entries, entry, holds);
        found.map_err(|error| Error::io("read", self.path(part), error))
    }

    /// The bytes of a finished index file, from the cache or the disk. A file that is not as the
    /// manifest says, or missing, is built again from the log.
    pub(super) fn index_file<const N: usize>(
        &self,
        source: &impl Fn(&State) -> &Source<N>,
        part: Part,
        expected: Option<Expected>,
    ) -> Result<Arc<Vec<u8>>> {
        if let Some(bytes) = self.shared.cache.get(self.number, part) {
            return Ok(bytes);
        }
        let bytes = self.read_index(part, N);
        let bytes = bytes.map_err(|error| Error::io("read", self.path(part), error))?;
        let believed = bytes.filter(|bytes| match expected {
            Some(expected) => {
                bytes.len() == expected.bytes as usize && crc32c::checksum(bytes) == expected.crc
            }
            None => part == Part::OffsetIndex,
        });
        let bytes = match believed {
            Some(mut bytes) => {
                if expected.is_none() {
                    trim_zeros(&mut bytes);
                }
                Arc::new(bytes)
            }
            None => {
                self.rebuild()?;
                match source(&self.state()) {
                    Source::Memory(bytes) => return Ok(Arc::clone(bytes)),
                    _ => Arc::new(Vec::new()),
                }
            }
        };
        self.shared.cache.put(self.number, part, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// An index file, as far as it can hold entries: however long it is, no more of it is looked at.
    fn read_index(&self, part: Part, entry_len: usize) -> io::Result<Option<Vec<u8>>> {
        let name = super::names::name(self.base_offset, part);
        let file = match self.shared.dir.open(&name, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let len = file.len()?;
        let mut bytes = vec![0; slots_to_trust(len, entry_len, self.end()) * entry_len];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Builds both indexes and the facts again by reading all batches; damaged ones are stepped
    /// over.
    pub(crate) fn rebuild(&self) -> Result<Facts> {
        let file = self.log_file()?;
        let end = self.end();
        let mut builder = Builder::new(self.base_offset, self.shared.index_interval_bytes);
        let mut position = 0;
        while position < end {
            let walked = walk(&file, position, end, &mut |at, batch| {
                builder.add(at, batch);
                ControlFlow::Continue(())
            });
            let walked = walked.map_err(|e| self.read_error(e))?;
            if walked.stop == Stop::End {
                break;
            }
            let next = self.resume(walked.position, builder.facts.next_offset..Offset::MAX)?;
            let Some(next) = next else { break };
            position = next.position;
        }
        let (facts, offsets, times) = builder.finish();
        let mut state = self.state();
        if !matches!(state.offset_index, Source::Growing(_)) {
            state.offset_index = Source::Memory(Arc::new(offsets));
            state.time_index = Source::Memory(Arc::new(times));
            state.facts = Some(facts);
            self.shared.cache.forget(self.number);
        }
        Ok(facts)
    }

    fn is_growing(&self) -> bool {
        matches!(self.state().offset_index, Source::Growing(_))
    }

    pub(crate) fn resume(
        &self,
        position: u64,
        offsets: std::ops::Range<Offset>,
    ) -> Result<Option<Resumed>> {
        let file = self.log_file()?;
        resume_behind(&file, position, self.end(), offsets).map_err(|e| self.read_error(e))
    }

    pub(super) fn read_error(&self, error: io::Error) -> Error {
        Error::io("read", self.path(Part::Log), error)
    }

    fn corrupt(&self, position: u64, header: Option<&BatchHeader>, cause: Cause) -> Error {
        match Error::corrupt(self.path(Part::Log), position, cause) {
            Error::Corrupt { path, position, cause, .. } => Error::Corrupt {
                path,
                position,
                offsets: header.map(|header| (header.base_offset(), header.last_offset())),
                cause,
            },
            other => other,
        }
    }

    /// The error for a batch at `position` whose CRC fails, with the offsets that are hit.
    fn corrupt_region(&self, position: u64, range: ReadRange, cause: Cause) -> Result<Error> {
        let resumed = self.resume(position, range.from + 1..range.segment_end)?;
        Ok(self.damage_of(position, range.from, resumed, range, cause))
    }

    fn damage(
        &self,
        position: u64,
        expected: Offset,
        resumed: Option<Resumed>,
        range: ReadRange,
    ) -> Error {
        let cause = Cause::Mismatch("no batch of this segment begins here");
        self.damage_of(position, expected, resumed, range, cause)
    }

    fn damage_of(
        &self,
        position: u64,
        first: Offset,
        resumed: Option<Resumed>,
        range: ReadRange,
        cause: Cause,
    ) -> Error {
        let behind = resumed.map_or(range.segment_end, |resumed| resumed.base_offset);
        match Error::corrupt(self.path(Part::Log), position, cause) {
            Error::Corrupt { path, position, cause, .. } => Error::Corrupt {
                path,
                position,
                offsets: Some((first, (behind - 1).max(first))),
                cause,
            },
            other => other,
        }
    }
}

/// Why a whole batch does not belong where it lies.
fn misplaced(header: &BatchHeader, expected: Option<Offset>, end: Offset) -> Option<Cause> {
    if expected.is_some_and(|expected| header.base_offset() < expected) {
        return Some(Cause::Mismatch("its offsets overlap the batch before"));
    }
    (header.next_offset() > end).then_some(Cause::Mismatch("its offsets overlap what follows"))
}

/// Cuts off the zeros that Kafka leaves behind the entries of an active index.
fn trim_zeros(entries: &mut Vec<u8>) {
    let used = entries.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    entries.truncate(used.next_multiple_of(OFFSET_ENTRY_LEN));
}

/// Builds what an appender would have built.
pub(crate) struct Builder {
    pub(crate) facts: Facts,
    base: Offset,
    interval: u64,
    since: u64,
    offsets: Vec<u8>,
    times: Vec<u8>,
    last_time: Timestamp,
}

impl Builder {
    pub(crate) fn new(base: Offset, interval: u32) -> Self {
        Builder {
            facts: Facts::empty(base),
            base,
            interval: u64::from(interval),
            since: 0,
            offsets: Vec::new(),
            times: Vec::new(),
            last_time: -1,
        }
    }

    /// Counts in the batch at `position`.
    pub(crate) fn add(&mut self, position: u64, batch: &RecordBatch<'_>) {
        let header = batch.header();
        self.facts.add(batch);
        // Behind damage that was stepped over the sums go on from the batch's own place.
        self.facts.log_bytes = position + batch.bytes().len() as u64;
        if self.since > self.interval {
            let entry = OffsetEntry { offset: header.last_offset(), position: position as u32 };
            // What an entry cannot say has none: the index is a help, not the truth.
            self.offsets.extend(entry.encode(self.base).ok().into_iter().flatten());
            self.add_time();
            self.since = 0;
        }
        self.since += batch.bytes().len() as u64;
    }

    fn add_time(&mut self) {
        if let Some((timestamp, offset)) = self.facts.largest
            && timestamp > self.last_time
        {
            self.last_time = timestamp;
            let entry = TimeEntry { timestamp, offset }.encode(self.base);
            self.times.extend(entry.ok().into_iter().flatten());
        }
    }

    /// The facts and both indexes, with the last time entry.
    pub(crate) fn finish(mut self) -> (Facts, Vec<u8>, Vec<u8>) {
        self.add_time();
        (self.facts, self.offsets, self.times)
    }
}
