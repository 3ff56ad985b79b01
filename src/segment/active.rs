//! Appending to the last segment of a log: the index rule and the roll rule.

use std::sync::Arc;

use super::names::{self, Part};
use super::source::{Growing, Source};
use super::{Facts, Known, Segment, Shared, State};
use crate::error::{Error, Result};
use crate::fs::{Access, File};
use crate::index::{
    AbortedTxn, OFFSET_ENTRY_LEN, OffsetEntry, TIME_ENTRY_LEN, TXN_ENTRY_LEN, TimeEntry,
};
use crate::planted::{self, Bug};
use crate::record::{BatchHeader, Offset, Timestamp};

/// The settings that decide when indexes get an entry and when a segment is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `segment.bytes`.
    pub(crate) segment_bytes: u32,
    /// `segment.index.bytes`.
    pub(crate) index_bytes: u32,
    /// `index.interval.bytes`.
    pub(crate) index_interval_bytes: u32,
    /// `segment.ms`, less this segment's jitter.
    pub(crate) segment_ms: i64,
    /// `preallocate`: space for the whole segment is taken at once. The file's length stays that of
    /// its batches, so that no zeros are ever in the way.
    pub(crate) preallocate: bool,
    /// Zeros that are at most written ahead of the last batch, so that a sync need not grow the file.
    pub(crate) zeros_ahead: u64,
}

/// What is about to be appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) bytes: usize,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: Option<Timestamp>,
}

/// The appender's side of the active segment.
#[derive(Debug)]
pub(crate) struct Active {
    segment: Arc<Segment>,
    limits: Limits,
    /// When this was made: the age of a segment without timestamps counts from here.
    created_ms: Timestamp,
    /// Whether the index files are there.
    has_indexes: bool,
    bytes_since_index_entry: u64,
    /// Up to where space was taken ahead.
    reserved: u64,
    /// Up to where zeros were written ahead.
    zeroed: u64,
    /// What the last append has left, by which the next one is asked whether to roll.
    left: Option<Left>,
}

/// Of a segment's state.
#[derive(Clone, Copy, Debug)]
struct Left {
    /// Whether an index has no room for another entry.
    is_full: bool,
    first_timestamp: Option<Timestamp>,
}

/// Space is taken ahead in steps that grow with the segment, up to this.
const MOST_RESERVED: u64 = 4 << 20;
const LEAST_RESERVED: u64 = 64 << 10;

/// Zeros are written ahead for so many flushes, or for no fewer than the least: larger flushes are
/// bound by their own bytes.
const FLUSHES_AHEAD: u64 = 8;
const LEAST_FLUSHES_AHEAD: u64 = 4;
const PAGE: u64 = 4096;

impl Limits {
    fn left_of(&self, state: &State) -> Left {
        let most = |len: usize| self.index_bytes as usize / len;
        Left {
            is_full: state.offset_index.grown() >= most(OFFSET_ENTRY_LEN)
                || state.time_index.grown() >= most(TIME_ENTRY_LEN).saturating_sub(1),
            first_timestamp: state.facts.and_then(|facts| facts.first_timestamp),
        }
    }
}

impl Active {
    /// Creates the `.log` of a new segment. Its directory entry is not synced.
    pub(crate) fn create(
        shared: &Shared,
        base_offset: Offset,
        limits: Limits,
        now: Timestamp,
    ) -> Result<Active> {
        let name = names::name(base_offset, Part::Log);
        let file = shared.dir.create(&name);
        let file = file.map_err(|e| Error::io("create", shared.dir.path().join(&name), e))?;
        let known = Known {
            end: 0,
            facts: Some(Facts::empty(base_offset)),
            offset_index: shared.growing(base_offset, Part::OffsetIndex, &[]),
            time_index: shared.growing(base_offset, Part::TimeIndex, &[]),
            aborted: Some(Vec::new()),
        };
        let segment = Segment::new(shared, base_offset, known);
        segment.log.adopt(file);
        Ok(Self::resume(Arc::new(segment), limits, now))
    }

    /// Goes on appending to a segment that was opened with growing indexes.
    pub(crate) fn resume(segment: Arc<Segment>, limits: Limits, now: Timestamp) -> Active {
        let reserved = segment.end();
        Active {
            segment,
            limits,
            created_ms: now,
            has_indexes: false,
            bytes_since_index_entry: 0,
            reserved,
            zeroed: 0,
            left: None,
        }
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// What is known of its batches.
    pub(crate) fn facts(&self) -> Facts {
        self.segment.known_facts().unwrap_or_else(|| Facts::empty(self.segment.base_offset))
    }

    /// Creates the index files if they are not there, as the first append does.
    pub(crate) fn touch_indexes(&mut self) -> Result<()> {
        if self.has_indexes {
            return Ok(());
        }
        for part in [Part::OffsetIndex, Part::TimeIndex] {
            let name = names::name(self.segment.base_offset, part);
            match self.segment.shared.dir.create(&name) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", self.segment.path(part), error)),
            }
        }
        self.has_indexes = true;
        Ok(())
    }

    /// Whether the segment is full, too old, or cannot hold the offsets: roll before appending.
    pub(crate) fn should_roll(&self, incoming: Incoming, now: Timestamp) -> Result<bool> {
        let size = self.segment.end();
        let base = self.segment.base_offset;
        if size + incoming.bytes as u64 > u64::from(self.limits.segment_bytes)
            || incoming.last_offset - base > Offset::from(i32::MAX)
            || incoming.last_offset < base
        {
            return Ok(true);
        }
        let Left { is_full, first_timestamp: first } =
            self.left.unwrap_or_else(|| self.limits.left_of(&self.segment.state()));
        if is_full || size == 0 {
            return Ok(is_full);
        }
        // Mostly it is known.
        let first = if first.is_some() { first } else { self.segment.first_timestamp()? };
        Ok(self.age_ms(first, incoming, now) > self.limits.segment_ms)
    }

    /// How old the segment is: by the records' own times if its first batch has one.
    fn age_ms(&self, first: Option<Timestamp>, incoming: Incoming, now: Timestamp) -> i64 {
        match first {
            Some(first) if first >= 0 => incoming.max_timestamp.unwrap_or(-1).saturating_sub(first),
            _ => now.saturating_sub(self.created_ms),
        }
    }

    /// Writes whole batches behind the last one, and makes them readable up to the new end. What is
    /// known of all batches then is the answer. `flush_bytes` is what a flush mostly brings to the
    /// disk, 0 if nobody flushes.
    ///
    /// # Errors
    ///
    /// If the write fails. The segment is then as it was, bytes cut off again, or, if even that
    /// fails, the error says so and the segment must not be written to any more.
    pub(crate) fn append(
        &mut self,
        bytes: &[u8],
        headers: &[BatchHeader],
        flush_bytes: u64,
    ) -> std::result::Result<Facts, AppendFailure> {
        let position = self.segment.end();
        let file = self.segment.log_file().map_err(AppendFailure::Refused)?;
        self.reserve_for(&file, position + bytes.len() as u64);
        if let Err(error) = file.write_all_at(bytes, position) {
            let error = Error::io("append to", self.segment.path(Part::Log), error);
            let stays = planted::on(Bug::ShortWriteStays);
            return Err(match if stays { Ok(()) } else { file.truncate(position) } {
                Ok(()) => AppendFailure::Refused(error),
                Err(cut) => AppendFailure::CutFailed(Error::io(
                    "cut back",
                    self.segment.path(Part::Log),
                    cut,
                )),
            });
        }
        let mut facts = Facts::empty(self.segment.base_offset);
        let mut at = 0;
        for header in headers {
            let size = header.size_bytes();
            facts = self.count_in(header, &bytes[at..at + size], position + at as u64);
            at += size;
        }
        let end = position + bytes.len() as u64;
        self.segment.set_end(end);
        self.zero_ahead_of(&file, end, flush_bytes);
        Ok(facts)
    }

    /// Takes space ahead without changing the file's length. Failure costs speed, no more.
    fn reserve_for(&mut self, file: &File, end: u64) {
        if end <= self.reserved {
            return;
        }
        let whole = u64::from(self.limits.segment_bytes).max(end);
        let step = (end / 4).clamp(LEAST_RESERVED, MOST_RESERVED);
        let target = if self.limits.preallocate { whole } else { (end + step).min(whole) };
        let from = self.reserved;
        self.reserved = target;
        let _ = file.reserve(from, target - from);
    }

    /// Writes zeros ahead once those of the last time are used up. Failure costs speed, no more.
    fn zero_ahead_of(&mut self, file: &File, end: u64, flush_bytes: u64) {
        let most = self.limits.zeros_ahead;
        if end <= self.zeroed || flush_bytes == 0 || flush_bytes > most / LEAST_FLUSHES_AHEAD {
            return;
        }
        let target = (end + (FLUSHES_AHEAD * flush_bytes).min(most)).next_multiple_of(PAGE);
        let target = target.min(self.limits.segment_bytes.into());
        if target > end {
            self.zeroed = target;
            self.reserved = self.reserved.max(target);
            let _ = file.zero_fill(end, target - end);
        }
    }

    /// Kafka's index rule: an entry for the first batch that starts more than the interval behind
    /// the batch that made the last one.
    fn count_in(&mut self, header: &BatchHeader, bytes: &[u8], position: u64) -> Facts {
        let base = self.segment.base_offset;
        let mut state = self.segment.state();
        let state = &mut *state;
        let facts = state.facts.get_or_insert_with(|| Facts::empty(base));
        facts.add_parts(header, bytes);
        let counted = *facts;
        if self.bytes_since_index_entry > u64::from(self.limits.index_interval_bytes) {
            if let Source::Growing(index) = &mut state.offset_index {
                let entry = OffsetEntry { offset: header.last_offset(), position: position as u32 };
                // The roll rule keeps offsets and positions within what an entry can say.
                if let Ok(entry) = entry.encode(base) {
                    index.push(entry);
                }
            }
            if let Source::Growing(index) = &mut state.time_index {
                push_time_entry(index, counted.largest, base);
            }
            self.bytes_since_index_entry = 0;
        }
        self.bytes_since_index_entry += bytes.len() as u64;
        self.left = Some(self.limits.left_of(state));
        counted
    }

    /// Enters a transaction that aborted in the index. If the file cannot be written, sealing writes
    /// it again.
    pub(crate) fn add_aborted(&mut self, txn: AbortedTxn) {
        let at = {
            let mut state = self.segment.state();
            // Copied only while a reader holds the list.
            let aborted = Arc::make_mut(state.aborted.get_or_insert_default());
            aborted.push(txn);
            ((aborted.len() - 1) * TXN_ENTRY_LEN) as u64
        };
        let name = names::name(self.segment.base_offset, Part::TxnIndex);
        let dir = &self.segment.shared.dir;
        let file = match dir.open(&name, Access::Write) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => dir.create(&name),
            opened => opened,
        };
        let _ = file.and_then(|file| file.write_all_at(&txn.encode(), at));
    }

    /// Makes the segment inactive, or ready to be closed: the last time entry, all index entries
    /// written, space that was taken ahead given back. Syncs nothing.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let base = self.segment.base_offset;
        let end = self.segment.end();
        if self.reserved > end {
            self.segment
                .log_file()?
                .truncate(end)
                .map_err(|e| Error::io("trim", self.segment.path(Part::Log), e))?;
            (self.reserved, self.zeroed) = (end, end);
        }
        let mut guard = self.segment.state();
        let state = &mut *guard;
        let largest = state.facts.and_then(|facts| facts.largest);
        if let Source::Growing(index) = &mut state.time_index {
            push_time_entry(index, largest, base);
        }
        drop(guard);
        // A failure marks the index for rebuilding, which sealing does.
        self.segment.write_indexes();
        Ok(())
    }
}

/// Adds the largest timestamp so far, unless the last entry has it already.
pub(super) fn push_time_entry(
    index: &mut Growing<TIME_ENTRY_LEN>,
    largest: Option<(Timestamp, Offset)>,
    base: Offset,
) {
    let Some((timestamp, offset)) = largest else { return };
    let last = match index.len().checked_sub(1) {
        Some(slot) => match index.entry(slot) {
            Ok(entry) => TimeEntry::decode(base, entry).map_or(Timestamp::MAX, |e| e.timestamp),
            // What cannot be read back is built again before anybody believes it.
            Err(_) => return,
        },
        None => -1,
    };
    if timestamp > last
        && let Ok(entry) = (TimeEntry { timestamp, offset }).encode(base)
    {
        index.push(entry);
    }
}

/// Why an append did not happen.
#[derive(Debug)]
pub(crate) enum AppendFailure {
    /// The segment is as it was.
    Refused(Error),
    /// Some bytes may be left behind the last batch: the log must not go on.
    CutFailed(Error),
}
