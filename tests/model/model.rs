//! What a log should be: its batches, and what follows from them.

use std::collections::BTreeMap;

use crate::ops::{PRODUCERS, Rec};

/// A batch that was appended.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) epoch: i32,
    /// As they lie in the log.
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Rec>,
    /// Of a marker: whether it commits.
    pub(crate) marker: Option<bool>,
    /// Of a producer's transaction.
    pub(crate) txn: Option<i64>,
}

impl Batch {
    pub(crate) fn next(&self) -> i64 {
        self.last + 1
    }

    /// The header's largest timestamp.
    pub(crate) fn max_time(&self) -> i64 {
        i64::from_be_bytes(self.bytes[35..43].try_into().unwrap())
    }

    /// Offsets and times of its records, a marker's too.
    pub(crate) fn times(&self) -> impl Iterator<Item = (i64, i64)> {
        let marker = self.marker.map(|_| (self.base, self.max_time()));
        let record = |(at, record): (usize, &Rec)| (self.base + at as i64, record.time);
        self.records.iter().enumerate().map(record).chain(marker)
    }
}

/// A batch that a producer sent, and its sequences.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) epoch: i16,
    pub(crate) first_sequence: i32,
    pub(crate) next_sequence: i32,
    pub(crate) records: Vec<Rec>,
}

/// A producer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    pub(crate) sent: Vec<Sent>,
    /// How many of them had been sent when the log last had to find its state again: of those only
    /// the last is sure to be remembered.
    pub(crate) reloaded: usize,
}

impl Producer {
    pub(crate) fn next_sequence(&self) -> i32 {
        let last = self.sent.last().filter(|sent| sent.epoch == self.epoch);
        last.map_or(0, |sent| sent.next_sequence)
    }
}

/// A log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// All that were not cut off, those below the log start too.
    pub(crate) batches: Vec<Batch>,
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    /// Below this a loss of power takes nothing.
    pub(crate) durable: i64,
    pub(crate) producers: [Producer; PRODUCERS],
    /// The highest epoch that any batch ever had.
    pub(crate) highest_epoch: i32,
    /// The next append must have a later one.
    pub(crate) needs_later_epoch: bool,
    /// Whether an import ever let epochs fall.
    pub(crate) epochs_fell: bool,
}

pub(crate) fn producer_id(who: usize) -> i64 {
    1_000 + who as i64
}

impl Model {
    pub(crate) fn new() -> Model {
        Model { highest_epoch: -1, ..Model::default() }
    }

    /// What is left of it if it ends at `end`.
    pub(crate) fn cut_at(&self, end: i64) -> Model {
        let mut cut = self.clone();
        cut.truncate(end);
        cut
    }

    pub(crate) fn truncate(&mut self, target: i64) {
        self.batches.retain(|batch| batch.last < target);
        self.log_end = target;
        self.log_start = self.log_start.min(target);
        self.durable = self.durable.min(target);
        for producer in &mut self.producers {
            producer.sent.retain(|sent| sent.last < target);
        }
        self.reload();
    }

    pub(crate) fn start_over(&mut self, start: i64) {
        let highest_epoch = self.highest_epoch;
        *self = Model::new();
        (self.log_start, self.log_end, self.durable) = (start, start, start);
        self.highest_epoch = highest_epoch;
        self.needs_later_epoch = true;
    }

    /// The log had to find its producers again.
    pub(crate) fn reload(&mut self) {
        for producer in &mut self.producers {
            producer.reloaded = producer.sent.len();
        }
    }

    /// The batches that can be read from `offset` on.
    pub(crate) fn from(&self, offset: i64) -> impl Iterator<Item = &Batch> {
        self.batches.iter().filter(move |batch| batch.last >= offset)
    }

    /// Where each open transaction begins, by producer.
    pub(crate) fn open(&self) -> BTreeMap<i64, i64> {
        let mut open = BTreeMap::new();
        for batch in &self.batches {
            match (batch.txn, batch.marker) {
                (Some(id), None) => _ = open.entry(id).or_insert(batch.base),
                (Some(id), Some(_)) => _ = open.remove(&id),
                (None, _) => {}
            }
        }
        open
    }

    pub(crate) fn last_stable(&self) -> i64 {
        let first = self.open().values().copied().min();
        first.map_or(self.log_end, |first| first.max(self.log_start))
    }

    /// Offsets of the records that a read-committed reader sees from `from` on.
    pub(crate) fn committed(&self, from: i64) -> Vec<i64> {
        let stable = self.last_stable();
        let mut waiting: BTreeMap<i64, Vec<&Batch>> = BTreeMap::new();
        let mut seen: Vec<&Batch> = Vec::new();
        for batch in &self.batches {
            match (batch.txn, batch.marker) {
                (Some(id), None) => waiting.entry(id).or_default().push(batch),
                (Some(id), Some(commit)) => {
                    let ended = waiting.remove(&id).unwrap_or_default();
                    if commit {
                        seen.extend(ended);
                    }
                }
                (None, _) => seen.push(batch),
            }
        }
        let offsets = seen.into_iter().flat_map(|batch| batch.base..=batch.last);
        let mut offsets: Vec<i64> =
            offsets.filter(|&at| at >= from.max(self.log_start) && at < stable).collect();
        offsets.sort_unstable();
        offsets
    }

    /// The batches of the segment at `base`, which ends where the next one begins.
    pub(crate) fn segment(&self, base: i64, next: Option<i64>) -> impl Iterator<Item = &Batch> {
        let end = next.unwrap_or(i64::MAX);
        self.batches.iter().filter(move |batch| batch.base >= base && batch.base < end)
    }

    /// The largest timestamp of a segment, none if no record has one.
    pub(crate) fn largest(&self, base: i64, next: Option<i64>) -> Option<i64> {
        self.segment(base, next).map(Batch::max_time).max().filter(|&max| max > -1)
    }

    /// Kafka's offset for a time, by looking at everything; `bases` are the segments'.
    pub(crate) fn for_time(&self, bases: &[i64], time: i64) -> Option<(i64, i64)> {
        for (at, &base) in bases.iter().enumerate() {
            let next = bases.get(at + 1).copied();
            match self.largest(base, next) {
                Some(largest) if largest < time => continue,
                // Then the file's own time counts, which is later than all that is asked for.
                None => return None,
                Some(_) => {}
            }
            let from = self.log_start;
            return self
                .segment(base, next)
                .filter(|batch| batch.max_time() >= time)
                .flat_map(Batch::times)
                .find(|&(offset, at)| offset >= from && at >= time);
        }
        None
    }

    /// Whether the log may have forgotten where an open transaction began: below the log start.
    pub(crate) fn is_vague(&self) -> bool {
        self.open().values().any(|&first| first < self.log_start)
    }
}
