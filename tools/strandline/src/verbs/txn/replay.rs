//! The transactions and producers of a partition, as its log tells them from front to back. What
//! began in segments that are gone is not known.

use std::collections::BTreeMap;

use strandline::record::{BatchHeader, TransactionEnd};

/// A producer, as a broker would know it that had read the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    /// None if a marker with a later epoch came since.
    pub(super) last_sequence: Option<i32>,
    pub(super) last_offset: Option<i64>,
    pub(super) last_ms: Option<i64>,
    /// Of the coordinator that ended a transaction of it last.
    pub(super) coordinator_epoch: Option<i32>,
    pub(super) open: Option<Transaction>,
}

/// A transaction of one producer in this partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    pub(super) first_offset: i64,
    /// Of its records; of its marker once it ended.
    pub(super) last_offset: i64,
    pub(super) records: u64,
    pub(super) first_ms: Option<i64>,
    pub(super) last_ms: Option<i64>,
    /// Records in the log before it.
    records_before: u64,
}

/// What a log tells.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) producers: BTreeMap<i64, Producer>,
    /// In the order of their ends.
    pub(super) aborted: Vec<Transaction>,
    pub(super) committed: u64,
    /// First offset, and the one behind the last.
    pub(super) offsets: Option<(i64, i64)>,
    records: u64,
}

impl Replay {
    /// Takes in the next batch; of a marker, what it says too.
    pub(super) fn batch(&mut self, header: &BatchHeader, end: Option<(TransactionEnd, i32)>) {
        let (first, next) = (header.base_offset(), header.next_offset());
        self.offsets = Some((self.offsets.map_or(first, |known| known.0), next));
        if header.attributes().is_control() {
            if let Some(end) = end {
                self.end(header, end);
            }
            return;
        }
        let count = u64::try_from(header.record_count()).unwrap_or(0);
        if let Some(id) = header.producer_id() {
            let producer = self.producers.entry(id.0).or_default();
            producer.data((id.0, header), count, self.records);
        }
        self.records += count;
    }

    fn end(&mut self, header: &BatchHeader, (end, coordinator_epoch): (TransactionEnd, i32)) {
        let Some(id) = header.producer_id() else { return };
        let producer = self.producers.entry(id.0).or_default();
        let epoch = header.producer_epoch().map_or(-1, |epoch| epoch.0);
        if producer.epoch != epoch {
            (producer.epoch, producer.last_sequence, producer.last_offset) = (epoch, None, None);
        }
        producer.coordinator_epoch = Some(coordinator_epoch);
        producer.last_ms = header.max_timestamp();
        let Some(mut ended) = producer.open.take() else { return };
        match end {
            TransactionEnd::Commit => self.committed += 1,
            TransactionEnd::Abort => {
                ended.last_offset = header.last_offset();
                self.aborted.push(ended);
            }
        }
    }

    /// The open transactions, by first offset.
    pub(super) fn open(&self) -> Vec<&Transaction> {
        let mut open: Vec<_> =
            self.producers.values().filter_map(|producer| producer.open.as_ref()).collect();
        open.sort_by_key(|transaction| transaction.first_offset);
        open
    }

    /// The offset up to which everything is decided.
    pub(super) fn last_stable_offset(&self) -> i64 {
        let end = self.offsets.map_or(0, |(_, next)| next);
        self.open().first().map_or(end, |transaction| transaction.first_offset)
    }

    /// How many records a read-committed reader does not see yet.
    pub(super) fn hidden(&self) -> u64 {
        self.open().first().map_or(0, |first| self.records - first.records_before)
    }
}

impl Producer {
    /// Takes in a batch of records; `before` are in the log before it.
    fn data(&mut self, (id, header): (i64, &BatchHeader), count: u64, before: u64) {
        self.epoch = header.producer_epoch().map_or(-1, |epoch| epoch.0);
        self.last_sequence = header.last_sequence().map(|sequence| sequence.0);
        self.last_offset = Some(header.last_offset());
        self.last_ms = header.max_timestamp();
        if !header.attributes().is_transactional() {
            return;
        }
        let open = self.open.get_or_insert_with(|| Transaction {
            producer_id: id,
            epoch: self.epoch,
            first_offset: header.base_offset(),
            last_offset: header.last_offset(),
            records: 0,
            first_ms: header.max_timestamp(),
            last_ms: None,
            records_before: before,
        });
        open.epoch = self.epoch;
        open.last_offset = header.last_offset();
        open.last_ms = header.max_timestamp();
        open.records += count;
    }
}
