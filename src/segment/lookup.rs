//! Finding entries of a segment's indexes, wherever they are, and building them again.

use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::cache::IndexBytes;
use super::names::Part;
use super::source::{Expected, Source};
use super::walk::walk;
use super::{Builder, Facts, Segment, State, Stop};
use crate::error::{Error, Result};
use crate::fs::{Access, Handle};
use crate::index::{OFFSET_ENTRY_LEN, OffsetEntry, TimeEntry, last_before, slots_to_trust};
use crate::record::{Offset, Timestamp};

/// So many entries are read of an index that nothing vouches for: with Kafka's interval they reach
/// over 4 GiB of log, and behind them the batches are walked.
const MOST_HINTS: usize = 1 << 20;

/// The entries of an index on both sides of what is sought.
struct Around<const N: usize> {
    before: Option<(usize, [u8; N])>,
    behind: Option<[u8; N]>,
}

/// The entries of an offset index on both sides of an offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    /// The last entry with an offset at or below it, and its slot.
    pub(super) before: Option<(usize, OffsetEntry)>,
    /// The one that follows, if it is known.
    pub(super) behind: Option<OffsetEntry>,
}

impl Segment {
    /// The entries around `wanted`: the last one below `slots` with an offset at or below it.
    pub(super) fn offset_entries(&self, wanted: Offset, slots: usize) -> Result<Near> {
        let base = self.base_offset;
        let found = self.search(
            |state| &state.offset_index,
            Part::OffsetIndex,
            slots,
            |bytes| OffsetEntry::decode(base, *bytes).is_ok_and(|entry| entry.offset <= wanted),
        )?;
        let entry = |bytes| OffsetEntry::decode(base, bytes).ok();
        Ok(Near {
            before: found.before.and_then(|(slot, bytes)| Some((slot, entry(bytes)?))),
            behind: found.behind.and_then(entry),
        })
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
        Ok(found.before.and_then(entry))
    }

    /// The last of the first `slots` entries for which `holds`, which holds for a run of entries
    /// from the first on, and the one that follows it.
    fn search<const N: usize>(
        &self,
        source: impl Fn(&State) -> &Source<N>,
        part: Part,
        slots: usize,
        holds: impl Fn(&[u8; N]) -> bool,
    ) -> Result<Around<N>> {
        let finished = {
            let state = self.state();
            match source(&state) {
                Source::Growing(growing) => {
                    let held = growing.held();
                    let first = growing.len() - held.len();
                    if first == 0 || slots > first && held.first().is_some_and(&holds) {
                        let slots = slots.saturating_sub(first).min(held.len());
                        let entry = |at: usize| Ok(held[at]);
                        let Ok(mut found) =
                            around::<N, Infallible>(slots, held.len(), entry, holds);
                        found.before = found.before.map(|(slot, entry)| (first + slot, entry));
                        return Ok(found);
                    }
                    let handle = growing.handle();
                    drop(state);
                    self.flushed_entries(part, first * N, &handle)?
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
            let mut entry = [0; N];
            finished.copy_at(slot * N, &mut entry)?;
            Ok(entry)
        };
        let entries = finished.len() / N;
        let found = around(entries.min(slots), entries, entry, holds);
        found.map_err(|error| Error::io("read", self.path(part), error))
    }

    /// The first bytes of an index that is appended to, at least `len` of them, which are in its
    /// file: read once, and kept in the cache as other indexes are.
    fn flushed_entries(&self, part: Part, len: usize, handle: &Handle) -> Result<Arc<IndexBytes>> {
        let places = self.places();
        let known = self.shared.cache.get(places, part);
        if let Some(known) = &known
            && known.len() >= len
        {
            return Ok(Arc::clone(known));
        }
        let failed = |error| Error::io("read", self.path(part), error);
        let mut bytes = match known {
            Some(known) => known.to_vec().map_err(failed)?,
            None => Vec::new(),
        };
        let from = bytes.len();
        bytes.resize(len, 0);
        let read =
            handle.get().and_then(|file| file.read_exact_at(&mut bytes[from..], from as u64));
        read.map_err(failed)?;
        let bytes = Arc::new(IndexBytes::Held(bytes));
        self.shared.cache.put(places, part, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// The bytes of a finished index file, from the cache or the disk. A file that is not as the
    /// manifest says, or missing, is built again from the log.
    pub(super) fn index_file<const N: usize>(
        &self,
        source: &impl Fn(&State) -> &Source<N>,
        part: Part,
        expected: Option<Expected>,
    ) -> Result<Arc<IndexBytes>> {
        if let Some(bytes) = self.shared.cache.get(self.number, part) {
            return Ok(bytes);
        }
        let failed = |error| Error::io("read", self.path(part), error);
        let found = self.read_index(part, N, expected).map_err(failed)?;
        let believed = match (found, expected) {
            (Some(bytes), Some(expected)) => {
                let fits = bytes.len() == expected.bytes as usize
                    && bytes.checksum().map_err(failed)? == expected.crc;
                fits.then_some(bytes)
            }
            // Its entries are hints, which the batches that they name confirm.
            (found, None) if part == Part::OffsetIndex => found,
            _ => None,
        };
        let bytes = if let Some(bytes) = believed {
            Arc::new(bytes)
        } else {
            self.rebuild()?;
            if let Source::Memory(bytes) = source(&self.state()) {
                return Ok(Arc::clone(bytes));
            }
            Arc::new(IndexBytes::Held(Vec::new()))
        };
        self.shared.cache.put(self.number, part, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// An index file, as far as it can hold entries: however long it is, no more of it is looked at.
    fn read_index(
        &self,
        part: Part,
        entry_len: usize,
        expected: Option<Expected>,
    ) -> io::Result<Option<IndexBytes>> {
        let name = super::names::name(self.base_offset, part);
        let file = match self.shared.dir.open(&name, Access::Read) {
            // There is none, or something in its place that is no file.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                return Ok(None);
            }
            opened => opened?,
        };
        let len = file.len()?;
        if expected.is_some_and(|expected| len != u64::from(expected.bytes)) {
            return Ok(None);
        }
        if expected.is_some() && self.shared.map_indexes && len > 0 {
            // Where it cannot be mapped it is read.
            if let Ok(map) = file.map() {
                return Ok(Some(IndexBytes::Mapped(map)));
            }
        }
        let slots = slots_to_trust(len, entry_len, self.end());
        let slots = if expected.is_some() { slots } else { slots.min(MOST_HINTS) };
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(slots * entry_len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(slots * entry_len, 0);
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        if expected.is_none() {
            trim_zeros(&mut bytes);
        }
        Ok(Some(IndexBytes::Held(bytes)))
    }

    /// Builds both indexes and the facts again by reading all batches; damaged ones are stepped
    /// over.
    pub(crate) fn rebuild(&self) -> Result<Facts> {
        let file = self.log_file()?;
        self.note_cut()?;
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
            if next.is_none() && walked.stop == Stop::Zeros {
                break;
            }
            // What is damaged is of the segment too.
            position = next.map_or(end, |next| next.position);
            builder.facts.log_bytes = position;
        }
        let (facts, offsets, times) = builder.finish();
        let mut state = self.state();
        if !matches!(state.offset_index, Source::Growing(_)) {
            state.offset_index = Source::held(offsets);
            state.time_index = Source::held(times);
            // What was known before counts more: damage may have come since.
            state.facts.get_or_insert(facts);
            self.shared.cache.forget(self.number);
        }
        Ok(facts)
    }
}

/// What [`last_before`] finds among the first `slots` of `entries`, and the entry that follows it.
fn around<const N: usize, E>(
    slots: usize,
    entries: usize,
    mut read: impl FnMut(usize) -> std::result::Result<[u8; N], E>,
    holds: impl Fn(&[u8; N]) -> bool,
) -> std::result::Result<Around<N>, E> {
    let before = last_before(slots, &mut read, holds)?;
    let next = before.map_or(0, |(slot, _)| slot + 1);
    let behind = if next < entries { Some(read(next)?) } else { None };
    Ok(Around { before, behind })
}

/// Cuts off the zeros that Kafka leaves behind the entries of an active index.
fn trim_zeros(entries: &mut Vec<u8>) {
    let used = entries.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    entries.truncate(used.next_multiple_of(OFFSET_ENTRY_LEN));
}
