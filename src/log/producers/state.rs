//! All producers of one partition: what an append is checked against, and what it changes once it
//! is written.

use std::collections::HashMap;
use std::mem;

use super::hash_order::HashOrder;
use super::transactions::Transactions;
use super::{CompletedTxn, ProducerEntry};
use crate::error::Error;
use crate::log::{Origin, Settings};
use crate::record::{BatchHeader, ControlRecord, Offset, ProducerId, Timestamp};

/// Producers that a log takes by append; a log that has more already is read all the same.
pub(crate) const MAX_PRODUCERS: usize = 100_000;
/// Open transactions that a log takes by append.
pub(crate) const MAX_OPEN_TRANSACTIONS: usize = 10_000;

/// A batch that is about to be appended, or was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) origin: Origin,
    /// Its header, with the timestamps that are stored. Its offsets are not looked at.
    pub(crate) header: &'a BatchHeader,
    /// The offset that its first record gets.
    pub(crate) base_offset: Offset,
    /// What its control record says. None for one that the cleaner emptied.
    pub(crate) control: Option<ControlRecord>,
}

impl Candidate<'_> {
    pub(super) fn is_control(&self) -> bool {
        self.header.attributes().is_control()
    }

    pub(super) fn last_offset(&self) -> Offset {
        self.base_offset.saturating_add(Offset::from(self.header.last_offset_delta()))
    }
}

/// What comes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Outcome {
    /// It is to be written.
    New,
    /// It was written before and must not be again: the caller answers with this.
    Duplicate(Duplicate),
}

/// A batch that a producer sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// Where it lies.
    pub(crate) first_offset: Offset,
    /// Where it ends.
    pub(crate) last_offset: Offset,
    /// Its largest timestamp when it was written, which Kafka reports as its append time.
    pub(crate) timestamp: Option<Timestamp>,
}

/// What the batches of one append change. They see each other in it; nobody else does until
/// [`Producers::commit`], once they are written.
#[derive(Debug, Default)]
pub(crate) struct Update {
    entries: HashMap<ProducerId, Slot>,
    /// How many of them are of producers that were not known.
    unknown: usize,
    started: Vec<(Offset, ProducerId)>,
    completed: Vec<CompletedTxn>,
}

impl Update {
    /// Forgets what was staged, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.unknown = 0;
        self.started.clear();
        self.completed.clear();
    }

    /// The entries in the order of Kafka's own map of them: it puts new ones in like that.
    fn drain_in_order(&mut self) -> Vec<(ProducerId, ProducerEntry)> {
        let mut order = HashOrder::new();
        let mut slots: Vec<_> = self.entries.drain().collect();
        slots.sort_unstable_by_key(|(_, slot)| slot.born);
        if slots.len() > 1 {
            for count in 1..=slots.len() {
                let there = slots[..count].iter().map(|&(id, _)| id);
                order.inserted(slots[count - 1].0, there);
            }
            slots.sort_by_key(|&(id, _)| order.bucket(id));
        }
        slots.into_iter().map(|(id, slot)| (id, slot.entry)).collect()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    entry: ProducerEntry,
    /// When it came, among all: the order inside a bucket of Kafka's map.
    born: u64,
}

/// The producer state of one partition.
#[derive(Debug)]
pub(crate) struct Producers {
    entries: HashMap<ProducerId, Slot>,
    order: HashOrder,
    next_born: u64,
    transactions: Transactions,
    map_end: Offset,
    last_snapshot: Offset,
    scratch: Update,
    /// There was no memory for one of them: this is not the state of the log.
    is_short: bool,
}

impl Producers {
    /// Of an empty log that starts at `at`.
    pub(crate) fn new(at: Offset) -> Self {
        Producers {
            entries: HashMap::new(),
            order: HashOrder::new(),
            next_born: 0,
            transactions: Transactions::default(),
            map_end: at,
            last_snapshot: at,
            scratch: Update::default(),
            is_short: false,
        }
    }

    /// Whether there was no memory for all of them.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short
    }

    /// Forgets everything, as before a snapshot is loaded or after the log was emptied: the next
    /// batch to be applied is at `at`.
    pub(crate) fn reset(&mut self, at: Offset) {
        self.entries.clear();
        self.transactions = Transactions::default();
        (self.map_end, self.last_snapshot) = (at, at);
    }

    /// Forgets everything and takes what a snapshot at offset `at` says, but for producers that
    /// have expired by `now`.
    pub(crate) fn load(
        &mut self,
        at: Offset,
        entries: impl IntoIterator<Item = (ProducerId, ProducerEntry)>,
        settings: &Settings,
        now: Timestamp,
    ) {
        self.reset(at);
        for (id, entry) in entries {
            if !expired(&entry, settings, now) {
                if let Some(first) = entry.txn_first_offset {
                    self.transactions.start(first, id);
                }
                self.put(id, entry);
            }
        }
    }

    /// Checks a batch and stages what it changes; on an error nothing is staged, and what was stays.
    ///
    /// # Errors
    ///
    /// `ProducerFenced`, `OutOfOrderSequence`, `InvalidTxnState`, `CoordinatorFenced`,
    /// `InvalidRecord`; `TooLarge` for a producer or a transaction too many.
    pub(crate) fn check(
        &self,
        update: &mut Update,
        batch: &Candidate<'_>,
    ) -> Result<Outcome, Error> {
        let Some(id) = batch.header.producer_id() else { return Ok(Outcome::New) };
        if batch.is_control() && batch.control.is_none() {
            return Ok(Outcome::New);
        }
        let staged = update.entries.get(&id).copied();
        let known = staged.or_else(|| self.entries.get(&id).copied());
        let mut entry = known.unwrap_or_default().entry;
        if batch.origin == Origin::Client
            && let Some(sent) = entry.duplicate_of(batch.header)
        {
            return Ok(Outcome::Duplicate(Duplicate {
                first_offset: sent.first_offset(),
                last_offset: sent.last_offset,
                timestamp: sent.timestamp,
            }));
        }
        if let Some(control) = batch.control.filter(|_| batch.is_control()) {
            let completed = entry.append_control(id, batch, control)?;
            self.check_room(update, batch, known.is_none(), false)?;
            update.completed.extend(completed);
        } else {
            let starts = entry.append(id, batch)?;
            self.check_room(update, batch, known.is_none(), starts)?;
            if starts {
                update.started.push((batch.base_offset, id));
            }
        }
        let born = staged.map_or(update.entries.len() as u64, |slot| slot.born);
        update.unknown += usize::from(known.is_none());
        update.entries.insert(id, Slot { entry, born });
        Ok(Outcome::New)
    }

    /// Whether there is room for one more of what a batch brings.
    fn check_room(
        &self,
        update: &Update,
        batch: &Candidate<'_>,
        new_producer: bool,
        new_transaction: bool,
    ) -> Result<(), Error> {
        let taken = batch.origin != Origin::Replica;
        if taken && new_producer && self.entries.len() + update.unknown >= MAX_PRODUCERS {
            return Err(Error::TooLarge { what: "number of producers", limit: MAX_PRODUCERS });
        }
        let open = self.transactions.open() + update.started.len();
        if taken && new_transaction && open >= MAX_OPEN_TRANSACTIONS {
            let (what, limit) = ("number of open transactions", MAX_OPEN_TRANSACTIONS);
            return Err(Error::TooLarge { what, limit });
        }
        Ok(())
    }

    /// Takes over what was staged: the batches are written, and the log ends at `map_end` now.
    /// `update` is empty afterwards.
    ///
    /// The transactions that ended are given out, and stay open until the caller has entered them
    /// in the transaction index ([`Producers::last_stable_offset_for`]) and calls
    /// [`Producers::complete`] for each, in this order.
    pub(crate) fn commit(&mut self, update: &mut Update, map_end: Offset) -> Vec<CompletedTxn> {
        if !update.entries.is_empty() {
            for (id, entry) in update.drain_in_order() {
                self.put(id, entry);
            }
        }
        for (first, id) in update.started.drain(..) {
            self.transactions.start(first, id);
        }
        update.unknown = 0;
        self.map_end = map_end;
        mem::take(&mut update.completed)
    }

    /// Takes in a batch that is in the log already, or comes from another: nothing is refused for
    /// its sequence or its epoch. The transaction that it ends, if any, is given out as by
    /// [`Producers::commit`].
    ///
    /// # Errors
    ///
    /// `InvalidTxnState` for records outside the producer's open transaction.
    pub(crate) fn apply_replica(
        &mut self,
        header: &BatchHeader,
        control: Option<ControlRecord>,
    ) -> Result<Option<CompletedTxn>, Error> {
        let mut update = mem::take(&mut self.scratch);
        let batch = Candidate {
            origin: Origin::Replica,
            header,
            base_offset: header.base_offset(),
            control,
        };
        let outcome = self.check(&mut update, &batch);
        let completed = outcome.map(|_| self.commit(&mut update, header.next_offset()).pop());
        self.scratch = update;
        completed
    }

    fn put(&mut self, id: ProducerId, entry: ProducerEntry) {
        if let Some(slot) = self.entries.get_mut(&id) {
            slot.entry = entry;
            return;
        }
        if self.entries.try_reserve(1).is_err() {
            self.is_short = true;
            return;
        }
        self.entries.insert(id, Slot { entry, born: self.next_born });
        self.next_born += 1;
        self.order.inserted(id, self.entries.keys().copied());
    }

    /// The last stable offset that the transaction index notes for `txn`, which is to be completed
    /// next: where the earliest open transaction of another producer begins, else the offset behind
    /// the marker.
    pub(crate) fn last_stable_offset_for(&self, txn: &CompletedTxn) -> Offset {
        self.transactions.first_of_others(txn.producer_id).unwrap_or(txn.last_offset + 1)
    }

    /// The transaction is no longer open; readers still wait until the high watermark has passed its
    /// marker.
    pub(crate) fn complete(&mut self, txn: &CompletedTxn) {
        self.transactions.complete(txn);
    }

    /// The high watermark rose to `offset`.
    pub(crate) fn high_watermark_moved(&mut self, offset: Offset) {
        self.transactions.settle_below(offset);
    }

    /// The log start offset rose to `offset`.
    pub(crate) fn log_start_moved(&mut self, offset: Offset) {
        self.transactions.settle_below(offset);
        self.map_end = self.map_end.max(offset);
    }

    /// Where the earliest transaction begins that is open, or whose marker the high watermark has
    /// not passed.
    pub(crate) fn first_unstable_offset(&self) -> Option<Offset> {
        self.transactions.first_unstable_offset()
    }

    /// The first offset that is not yet decided by an open transaction, nor yet visible.
    pub(crate) fn last_stable_offset(&self, log_start: Offset, high_watermark: Offset) -> Offset {
        self.first_unstable_offset()
            .map_or(high_watermark, |at| at.max(log_start).min(high_watermark))
    }

    /// Forgets producers whose last timestamp is too old at `now`, unless they have an open
    /// transaction; says how many.
    pub(crate) fn expire(&mut self, settings: &Settings, now: Timestamp) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, slot| !expired(&slot.entry, settings, now));
        before - self.entries.len()
    }

    /// What is known of a producer.
    pub(crate) fn get(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.entries.get(&id).map(|slot| &slot.entry)
    }

    /// All that are known, in the order of Kafka's snapshots.
    pub(crate) fn in_order(&self) -> Vec<(ProducerId, ProducerEntry)> {
        let mut slots: Vec<_> = self.entries.iter().collect();
        slots.sort_unstable_by_key(|&(&id, slot)| (self.order.bucket(id), slot.born));
        slots.into_iter().map(|(&id, slot)| (id, slot.entry)).collect()
    }

    /// The offset behind the last batch that was applied, of a producer or of none.
    pub(crate) fn map_end_offset(&self) -> Offset {
        self.map_end
    }

    /// The log ends at `offset` though no batch says so: a roll to a base above the last batch, the
    /// end of a rebuild.
    pub(crate) fn set_map_end_offset(&mut self, offset: Offset) {
        self.map_end = offset;
    }

    /// The offset at which a snapshot of this state is to be named, none if there is one already.
    pub(crate) fn snapshot_due(&self) -> Option<Offset> {
        (self.map_end > self.last_snapshot).then_some(self.map_end)
    }

    /// A snapshot of this state was written.
    pub(crate) fn snapshot_taken(&mut self) {
        self.last_snapshot = self.map_end;
    }
}

fn expired(entry: &ProducerEntry, settings: &Settings, now: Timestamp) -> bool {
    let last = entry.last_timestamp.unwrap_or(-1);
    entry.txn_first_offset.is_none() && settings.producer_expired(now, last)
}

#[cfg(test)]
impl Producers {
    pub(super) fn transactions(&self) -> &Transactions {
        &self.transactions
    }
}
