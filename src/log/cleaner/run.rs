//! One round over a log: the map of its dirty part, then every segment up to there written anew.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use super::filter::{Filter, LastKnown, Left, Rules, Tally};
use super::groups::{Limits, Size, groups};
use super::keys::{AHEAD, KeyMap, MapUse};
use super::output::{Made, Output, drop_made};
use super::swap::Swap;
use super::transactions::Transactions;
use crate::compression::Decompressor;
use crate::error::{Error, Result};
use crate::index::AbortedTxn;
use crate::log::fetch::aborted_between;
use crate::log::handle::Log;
use crate::log::opened::Opened;
use crate::log::replay::control_of;
use crate::record::{Offset, RebuildError, RecordBatch, RecordError, Timestamp};
use crate::segment::Segment;
use crate::segment::names::Part;

/// What a round is to do, and with what.
pub(crate) struct Round<'a> {
    /// Where records begin that no round has looked at.
    pub(crate) first_dirty: Offset,
    /// The base offset of the first segment that is left alone.
    pub(crate) first_uncleanable: Offset,
    /// What the map of keys may take of memory.
    pub(crate) map_bytes: usize,
    pub(crate) now: Timestamp,
    /// Told of bytes that were read and written; may wait, and may call it off.
    pub(crate) pace: &'a (dyn Fn(u64) -> Result<()> + Sync),
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Where the next one begins; `None` if it has to be done again.
    pub(crate) next_dirty: Option<Offset>,
    pub(super) tally: Tally,
    pub(super) bytes_before: u64,
    pub(super) bytes_after: u64,
    pub(super) segments_before: u64,
    pub(super) segments_after: u64,
    pub(super) map: Option<MapUse>,
}

impl Log {
    /// Cleans everything below `first_uncleanable`, as far as the map reaches. Appends and fetches
    /// go on beside it; a segment is put in the place of others in one go.
    pub(crate) fn run_round(&self, round: &Round<'_>) -> Result<Done> {
        let opened = self.opened()?;
        let _turn = opened.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        // It is a write: what the opening owes comes first, and what is read is sealed.
        self.write(|_, _| Ok(()))?;
        self.seal_rolled()?;
        let taken = opened.ledger().taken();
        let (map, end) = build_map(&opened, round)?;
        let mut done = Done { map: Some(map.usage()), ..Done::default() };
        if end > round.first_dirty {
            done.next_dirty = self.write_groups((&opened, round), (&map, end), taken, &mut done)?;
        }
        Ok(done)
    }

    /// Writes all segments below `end` anew; the answer is `end`, or nothing if records were taken
    /// from the log meanwhile.
    fn write_groups(
        &self,
        (log, round): (&Opened, &Round<'_>),
        (map, end): (&KeyMap, Offset),
        taken: u64,
        done: &mut Done,
    ) -> Result<Option<Offset>> {
        let (segments, behind) = segments_below(log, end);
        let sizes: Vec<Size> = segments.iter().map(size_of).collect::<Result<_>>()?;
        let limits = Limits {
            log_bytes: log.settings().segment_bytes().into(),
            index_bytes: log.settings().segment_index_bytes.into(),
        };
        let rules = Rules {
            now: round.now,
            delete_retention_ms: log.settings().delete_retention_ms,
            first_uncleanable: round.first_uncleanable,
            latest: end - 1,
            keeps_old_tombstones: true,
        };
        let old_horizon = old_tombstone_horizon(log, &segments, round.first_dirty)?;
        let mut filter = Filter::new(map, rules);
        let mut at = 0;
        for count in groups(&sizes, round.first_uncleanable, limits) {
            let old = &segments[at..at + count];
            at += count;
            let next = segments.get(at).map_or(behind, |next| next.base_offset());
            if !self.write_group(
                (log, round),
                &mut filter,
                (old, next, taken, old_horizon),
                done,
            )? {
                return Ok(None);
            }
        }
        done.tally = filter.tally;
        Ok(Some(end))
    }

    fn write_group(
        &self,
        (log, round): (&Opened, &Round<'_>),
        filter: &mut Filter<'_>,
        (old, next, taken, old_horizon): (&[Arc<Segment>], Offset, u64, Timestamp),
        done: &mut Done,
    ) -> Result<bool> {
        filter.producers = self.last_known()?;
        let base = old.first().map_or(next, |first| first.base_offset());
        let dir = &log.shared().dir;
        let bytes_before: u64 = old.iter().map(|segment| segment.end()).sum();
        let written = write_anew((log, round), filter, (old, next, old_horizon));
        let result = written.and_then(|(made, is_same)| {
            done.bytes_before += bytes_before;
            done.segments_before += old.len() as u64;
            done.segments_after += 1;
            done.bytes_after += made.entry.log_bytes;
            if is_same {
                return drop_made(dir, base).map(|()| true);
            }
            let swap = Swap { old, made: reclaiming(log, old, made), taken };
            self.swap_in(log, &swap, round.now)
        });
        if !matches!(result, Ok(true)) && log.group.poison().is_none() {
            // Beside the log it does no harm, and the next round or opening removes it.
            let _ = drop_made(dir, base);
        }
        result
    }

    fn swap_in(&self, log: &Opened, swap: &Swap<'_>, now: Timestamp) -> Result<bool> {
        log.name_swap(&swap.made)?;
        self.cut(|writer, log| writer.swap(log, swap, now))
    }

    fn last_known(
        &self,
    ) -> Result<std::collections::HashMap<crate::record::ProducerId, LastKnown>> {
        self.write(|writer, _| {
            let known = writer.producers.in_order().into_iter().map(|(id, entry)| {
                let data = entry.batches().last().map(|batch| batch.last_offset);
                (id, LastKnown { data, epoch: entry.epoch })
            });
            Ok(known.collect())
        })
    }
}

/// The segments that begin below `end`, but for the active one, and where the last of them ends.
fn segments_below(log: &Opened, end: Offset) -> (Vec<Arc<Segment>>, Offset) {
    let segments = log.published.view().segments;
    let most = segments.len().saturating_sub(1);
    let count = segments.partition_point(|segment| segment.base_offset() < end).min(most);
    let behind = segments.get(count).map_or(end, |next| next.base_offset());
    (segments[..count].to_vec(), behind)
}

fn size_of(segment: &Arc<Segment>) -> Result<Size> {
    Ok(Size {
        base_offset: segment.base_offset(),
        log_bytes: segment.end(),
        offset_index_bytes: segment.index_bytes(Part::OffsetIndex)?,
        time_index_bytes: segment.index_bytes(Part::TimeIndex)?,
    })
}

/// With what was reclaimed, in this round and those before.
fn reclaiming(log: &Opened, old: &[Arc<Segment>], mut made: Made) -> Made {
    let ledger = log.ledger();
    let earlier = old.iter().filter_map(|segment| ledger.entry(segment.base_offset()));
    let earlier: u64 = earlier.map(|entry| entry.reclaimed_bytes).fold(0, u64::saturating_add);
    let bytes: u64 = old.iter().map(|segment| segment.end()).sum();
    made.entry.reclaimed_bytes = earlier.saturating_add(bytes.saturating_sub(made.entry.log_bytes));
    made
}

/// The last offset of each key in the dirty part, as far as there is room; and the offset behind the
/// last record that it knows of.
fn build_map(log: &Opened, round: &Round<'_>) -> Result<(KeyMap, Offset)> {
    let (start, end) = (round.first_dirty, round.first_uncleanable);
    let mut map = KeyMap::new(round.map_bytes);
    let (segments, _) = segments_below(log, end);
    let first = segments.partition_point(|segment| segment.base_offset() <= start);
    let dirty = &segments[first.saturating_sub(1)..];
    let Some(first) = dirty.first().filter(|_| start < end) else { return Ok((map, 0)) };
    let mut mapping = Mapping {
        map: &mut map,
        start,
        latest: -1,
        transactions: Transactions::default(),
        decompressor: Decompressor::new(),
        inflated: Vec::new(),
    };
    mapping.transactions.add(&aborted_in(log, first, end)?);
    for (at, segment) in dirty.iter().enumerate() {
        let next = dirty.get(at + 1).map_or(end, |next| next.base_offset());
        let is_whole = segment.for_each_whole(next, &mut |position, batch| {
            (round.pace)(batch.bytes().len() as u64)?;
            mapping.take(batch).map_err(|error| failure(segment, position, error))
        })?;
        if !is_whole {
            break;
        }
        mapping.latest = mapping.latest.max(next - 1);
    }
    let latest = mapping.latest;
    Ok((map, latest + 1))
}

/// Puts records into a map, batch by batch.
struct Mapping<'a> {
    map: &'a mut KeyMap,
    start: Offset,
    latest: Offset,
    transactions: Transactions,
    decompressor: Decompressor,
    inflated: Vec<u8>,
}

impl Mapping<'_> {
    /// Breaks off once the map is full.
    fn take(
        &mut self,
        batch: &RecordBatch<'_>,
    ) -> std::result::Result<ControlFlow<()>, RebuildError> {
        let header = batch.header();
        if header.attributes().is_control() {
            self.transactions.is_done(header, control_of(batch)?);
        } else if !self.transactions.is_aborted(header) && header.last_offset() >= self.start {
            let most = super::filter::MOST_INFLATED_BYTES;
            let mut records = batch.records(&mut self.decompressor, most, &mut self.inflated)?;
            let mut keyed = Vec::with_capacity(AHEAD);
            loop {
                keyed.clear();
                let mut taken = 0;
                for record in records.by_ref().take(AHEAD) {
                    let record = record?;
                    taken += 1;
                    let key = record.key().filter(|_| record.offset() >= self.start);
                    keyed.extend(key.map(|key| (key, record.offset())));
                }
                if taken == 0 {
                    break;
                }
                let put = self.map.put_all(&keyed);
                self.latest = keyed[..put].last().map_or(self.latest, |&(_, offset)| offset);
                if put < keyed.len() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        if header.last_offset() >= self.start {
            self.latest = header.last_offset();
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Writes what is left of some segments; says whether it is what they were, byte for byte.
fn write_anew(
    (log, round): (&Opened, &Round<'_>),
    filter: &mut Filter<'_>,
    (old, next, old_horizon): (&[Arc<Segment>], Offset, Timestamp),
) -> Result<(Made, bool)> {
    let base = old.first().map_or(next, |first| first.base_offset());
    let shared = log.shared();
    let mut output = Output::create(&shared.dir, base, shared.index_interval_bytes)?;
    let (mut is_same, mut aborted_before) = (old.len() == 1, 0);
    for (at, segment) in old.iter().enumerate() {
        let end = old.get(at + 1).map_or(next, |next| next.base_offset());
        let aborted = log.aborted_in(segment)?;
        aborted_before += aborted.len();
        filter.transactions.add(&aborted_in(log, segment, end)?);
        filter.rules.keeps_old_tombstones = segment.modified_ms()? > old_horizon;
        segment.for_each_whole(end, &mut |position, batch| {
            let start = output.buffer.len();
            let left = filter.take(batch, &mut output.buffer);
            let left = left.map_err(|error| failure(segment, position, error))?;
            is_same &= left == Left::Whole;
            match left {
                Left::Nothing => {}
                Left::Whole => output.count_in(batch.header(), start)?,
                Left::Changed(header) => output.count_in(&header, start)?,
            }
            (round.pace)((batch.bytes().len() + output.buffer.len().saturating_sub(start)) as u64)?;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let modified_ms = old.last().map(|last| last.modified_ms()).transpose()?;
    let aborted = filter.transactions.take_kept();
    is_same &= aborted.len() == aborted_before;
    Ok((output.finish(next, aborted, modified_ms)?, is_same))
}

/// From when on a segment has to be for its tombstones of old formats to stay: what lies before the
/// dirty part was looked at by an earlier round.
fn old_tombstone_horizon(
    log: &Opened,
    segments: &[Arc<Segment>],
    first_dirty: Offset,
) -> Result<Timestamp> {
    let clean = segments.iter().take_while(|segment| segment.base_offset() < first_dirty);
    let Some(last) = clean.last() else { return Ok(0) };
    Ok(last.modified_ms()?.saturating_sub(log.settings().delete_retention_ms))
}

/// The aborted transactions that lie, in part, between the beginning of a segment and `end`. Their
/// markers may lie anywhere behind: in the active segment, too.
fn aborted_in(log: &Opened, from: &Segment, end: Offset) -> Result<Vec<AbortedTxn>> {
    let segments = log.published.view().segments;
    let at = segments.partition_point(|it| it.base_offset() < from.base_offset());
    aborted_between(log, &segments[at..], from.base_offset()..end)
}

/// Damage in a segment, or what is too much to be cleaned.
fn failure(segment: &Segment, position: u64, error: RebuildError) -> Error {
    use crate::compression::InflateError;
    match error {
        RebuildError::Record(RecordError::Inflate(InflateError::TooLarge { limit })) => {
            Error::TooLarge { what: "an inflated batch", limit }
        }
        RebuildError::Record(error) => Error::corrupt(segment.path(Part::Log), position, error),
        RebuildError::TooLarge => {
            Error::TooLarge { what: "a batch after compaction", limit: i32::MAX as usize }
        }
        RebuildError::Compress(error) => {
            let error = std::io::Error::other(error.to_string());
            Error::io("compress a batch of", segment.path(Part::Log), error)
        }
    }
}
