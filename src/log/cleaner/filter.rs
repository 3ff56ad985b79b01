//! What of each batch stays, by Kafka's rules.
//!
//! Of the records that have a key the last one stays, and one without a value only for
//! `delete.retention.ms` after a round first saw it: the batch then carries until when. A record
//! without a key goes. A message of an old format that wraps several stays whole as long as one of
//! them does: none is written any more. What nobody has looked at yet, behind the last offset of the map, stays as it
//! is. A batch from which nothing goes is copied byte for byte.

use std::collections::HashMap;

use super::keys::{AHEAD, KeyMap};
use super::transactions::Transactions;
use crate::compression::Decompressor;
use crate::log::replay::control_of;
use crate::record::{
    BatchHeader, Offset, ProducerEpoch, ProducerId, RebuildError, Rebuilder, RecordBatch,
    Timestamp, empty_batch,
};

/// The most that a batch may inflate to: as much as a fetch allows by default.
pub(super) const MOST_INFLATED_BYTES: usize = 64 << 20;

/// What a round goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) now: Timestamp,
    /// `delete.retention.ms`.
    pub(super) delete_retention_ms: i64,
    /// Where the round ends at most: the batch that leads there stays, if empty, so that the last
    /// offset is not lost.
    pub(super) first_uncleanable: Offset,
    /// The last offset whose key is in the map.
    pub(super) latest: Offset,
    /// Whether tombstones of old formats stay, which carry no delete horizon: the segment is young.
    pub(super) keeps_old_tombstones: bool,
}

/// The last thing that is known of a producer: what holds it is kept, if empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastKnown {
    /// The last offset of its last batch of records.
    pub(super) data: Option<Offset>,
    pub(super) epoch: Option<ProducerEpoch>,
}

/// How many records there were, and how many are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) records_before: u64,
    pub(super) records_after: u64,
    pub(super) tombstones_before: u64,
    pub(super) tombstones_after: u64,
    /// Records that went because they have no key.
    pub(super) without_key: u64,
}

/// What is left of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// All of it, byte for byte.
    Whole,
    /// Another batch, which has this header.
    Changed(BatchHeader),
}

/// Decides on one batch after the other.
pub(super) struct Filter<'a> {
    pub(super) keys: &'a KeyMap,
    pub(super) rules: Rules,
    pub(super) transactions: Transactions,
    /// As they were when the current group was begun.
    pub(super) producers: HashMap<ProducerId, LastKnown>,
    pub(super) tally: Tally,
    rebuilder: Rebuilder,
    decompressor: Decompressor,
    inflated: Vec<u8>,
    keep: Vec<bool>,
    last: Vec<Option<Offset>>,
}

/// What is to become of a batch, whatever its records are.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// None of its records stays.
    discard: bool,
    /// Its header stays, even without records.
    keep_empty: bool,
    /// It ends a transaction of which nothing is left.
    ends_nothing: bool,
}

impl<'a> Filter<'a> {
    pub(super) fn new(keys: &'a KeyMap, rules: Rules) -> Filter<'a> {
        Filter {
            keys,
            rules,
            transactions: Transactions::default(),
            producers: HashMap::new(),
            tally: Tally::default(),
            rebuilder: Rebuilder::default(),
            decompressor: Decompressor::new(),
            inflated: Vec::new(),
            keep: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Appends to `out` what is left of the next batch.
    ///
    /// # Errors
    ///
    /// If its records cannot be read; then `out` is as it was.
    pub(super) fn take(
        &mut self,
        batch: &RecordBatch<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Left, RebuildError> {
        let fate = self.fate_of(batch)?;
        if fate.discard && !fate.keep_empty {
            let count = u64::try_from(batch.header().record_count());
            self.tally.records_before += count.unwrap_or(0);
            return Ok(Left::Nothing);
        }
        self.keep.clear();
        let left = if fate.discard { Left::Nothing } else { self.sift(batch, fate, out)? };
        match left {
            Left::Nothing if fate.keep_empty && batch.header().is_legacy() => {
                out.extend_from_slice(batch.bytes());
                Ok(Left::Whole)
            }
            Left::Nothing if fate.keep_empty => {
                let was_empty = batch.header().record_count() == 0;
                let start = out.len();
                let header = empty_batch(batch.header(), out);
                let is_same = was_empty && out[start..] == *batch.bytes();
                Ok(if is_same { Left::Whole } else { Left::Changed(header) })
            }
            left => Ok(left),
        }
    }

    fn fate_of(&mut self, batch: &RecordBatch<'_>) -> Result<Fate, RebuildError> {
        let header = batch.header();
        let is_control = header.attributes().is_control();
        let is_over = if is_control {
            self.transactions.is_done(header, control_of(batch)?)
        } else {
            self.transactions.is_aborted(header)
        };
        let has_expired = header.delete_horizon().is_some_and(|from| from <= self.rules.now);
        let keep_empty =
            self.is_last_known(header) || header.next_offset() == self.rules.first_uncleanable;
        Ok(Fate {
            discard: is_over && (!is_control || has_expired),
            keep_empty,
            ends_nothing: is_control && is_over,
        })
    }

    /// Whether a batch holds the last thing that is known of an active producer.
    fn is_last_known(&self, header: &BatchHeader) -> bool {
        let known = header.producer_id().and_then(|id| self.producers.get(&id));
        known.is_some_and(|known| match known.data {
            Some(offset) => header.last_offset() == offset,
            None => header.attributes().is_control() && header.producer_epoch() == known.epoch,
        })
    }

    /// Keeps the records that are to stay; `Nothing` if none is.
    fn sift(
        &mut self,
        batch: &RecordBatch<'_>,
        fate: Fate,
        out: &mut Vec<u8>,
    ) -> Result<Left, RebuildError> {
        let header = batch.header();
        let records =
            batch.records(&mut self.decompressor, MOST_INFLATED_BYTES, &mut self.inflated)?;
        let judge = Judge { rules: self.rules, header };
        let (mut kept, mut tombstones) = (0, 0);
        let (mut part, mut keys) = (Vec::with_capacity(AHEAD), Vec::with_capacity(AHEAD));
        let mut rest = records.clone();
        loop {
            part.clear();
            keys.clear();
            self.last.clear();
            for record in rest.by_ref().take(AHEAD) {
                let record = record?;
                part.push(Looked {
                    offset: record.offset(),
                    has_key: record.key().is_some(),
                    has_value: record.value().is_some(),
                });
                keys.extend(record.key());
            }
            if part.is_empty() {
                break;
            }
            self.keys.get_all(&keys, &mut self.last);
            let mut last = self.last.iter().copied();
            for record in &part {
                let &Looked { has_key, has_value, .. } = record;
                let last = if has_key { last.next().flatten() } else { None };
                let stays = header.attributes().is_control() || judge.stays(record, last);
                kept += u64::from(stays);
                tombstones += u64::from(stays && !has_value);
                self.tally.tombstones_before += u64::from(!has_value);
                self.tally.without_key += u64::from(!stays && !has_key);
                self.keep.push(stays);
            }
        }
        self.tally.records_before += self.keep.len() as u64;
        if kept == 0 {
            return Ok(Left::Nothing);
        }
        self.tally.records_after += kept;
        self.tally.tombstones_after += tombstones;
        if header.is_legacy() {
            out.extend_from_slice(batch.bytes());
            return Ok(Left::Whole);
        }
        let waits = tombstones > 0 || fate.ends_nothing;
        let horizon = (waits && header.delete_horizon().is_none())
            .then(|| self.rules.now.saturating_add(self.rules.delete_retention_ms));
        if horizon.is_none() && kept as usize == self.keep.len() {
            out.extend_from_slice(batch.bytes());
            return Ok(Left::Whole);
        }
        let keep = &self.keep;
        let header = self.rebuilder.rebuild((header, horizon), &records, |at| keep[at], out)?;
        Ok(Left::Changed(header))
    }
}

/// What decides on a record.
struct Looked {
    offset: Offset,
    has_key: bool,
    has_value: bool,
}

/// Whether a record of a batch stays.
struct Judge<'a> {
    rules: Rules,
    header: &'a BatchHeader,
}

impl Judge<'_> {
    /// `last` is the last offset of its key, if the map has that.
    fn stays(&self, record: &Looked, last: Option<Offset>) -> bool {
        let &Looked { offset, has_key, has_value } = record;
        if offset > self.rules.latest {
            return true;
        }
        let is_last = has_key && last.is_none_or(|last| offset >= last);
        if self.header.is_legacy() {
            return is_last && (has_value || self.rules.keeps_old_tombstones);
        }
        let horizon = self.header.delete_horizon();
        is_last && (has_value || horizon.is_none_or(|from| self.rules.now < from))
    }
}
