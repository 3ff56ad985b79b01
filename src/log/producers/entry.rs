//! What is known of one producer, and the rules by which a batch of its is taken.

use super::state::Candidate;
use super::transactions::CompletedTxn;
use crate::error::Error;
use crate::log::Origin;
use crate::record::{BatchHeader, ControlRecord, Offset, ProducerEpoch, ProducerId, Sequence};
use crate::record::{Timestamp, TransactionEnd};

/// How many of a producer's batches are remembered, to know a retry again.
const REMEMBERED: usize = 5;

/// A batch that a producer appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SentBatch {
    /// Sequence of its last record; none if the coordinator wrote it.
    pub(crate) last_sequence: Option<Sequence>,
    pub(crate) last_offset: Offset,
    /// Last offset less the first, and so for sequences. Not negative.
    pub(crate) offset_delta: i32,
    /// The largest in the batch.
    pub(crate) timestamp: Option<Timestamp>,
}

impl SentBatch {
    /// The offset of its first record.
    pub(crate) fn first_offset(&self) -> Offset {
        self.last_offset - Offset::from(self.offset_delta)
    }

    /// The sequence of its first record.
    pub(crate) fn first_sequence(&self) -> Option<Sequence> {
        self.last_sequence.map(|last| last.minus(self.offset_delta))
    }
}

/// The last batches of a producer's current epoch, oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    batches: [SentBatch; REMEMBERED],
    len: usize,
}

impl Recent {
    fn as_slice(&self) -> &[SentBatch] {
        &self.batches[..self.len]
    }

    fn push(&mut self, batch: SentBatch) {
        if self.len == REMEMBERED {
            self.batches.rotate_left(1);
        } else {
            self.len += 1;
        }
        self.batches[self.len - 1] = batch;
    }
}

/// What is known of one producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    /// Its current epoch; none if nothing is known of it.
    pub(crate) epoch: Option<ProducerEpoch>,
    /// That of the coordinator which wrote its last marker.
    pub(crate) coordinator_epoch: Option<i32>,
    /// Event time, not the clock's: the largest in its last batch, or its last marker's.
    pub(crate) last_timestamp: Option<Timestamp>,
    /// Where its open transaction begins.
    pub(crate) txn_first_offset: Option<Offset>,
    pub(crate) recent: Recent,
}

impl ProducerEntry {
    /// Its last batches in its current epoch, at most five, oldest first.
    pub(crate) fn batches(&self) -> &[SentBatch] {
        self.recent.as_slice()
    }

    /// Remembers a batch, the oldest giving way.
    pub(crate) fn remember(&mut self, batch: SentBatch) {
        self.recent.push(batch);
    }

    /// The remembered batch that is the same as this one, which was therefore sent again.
    pub(super) fn duplicate_of(&self, header: &BatchHeader) -> Option<SentBatch> {
        let (first, last) = (header.base_sequence()?, header.last_sequence());
        if self.epoch != header.producer_epoch() {
            return None;
        }
        let same =
            |sent: &&SentBatch| sent.first_sequence() == Some(first) && sent.last_sequence == last;
        self.batches().iter().find(same).copied()
    }

    /// Takes in a batch of records; says whether a transaction starts with it.
    pub(super) fn append(&mut self, id: ProducerId, batch: &Candidate<'_>) -> Result<bool, Error> {
        let header = batch.header;
        self.check_epoch(id, batch)?;
        if batch.origin == Origin::Client {
            self.check_sequence(id, header)?;
        }
        let transactional = header.attributes().is_transactional();
        if self.txn_first_offset.is_some() && !transactional {
            return Err(Error::InvalidTxnState(format!(
                "expected transactional write from producer {id} at offset {}",
                batch.base_offset
            )));
        }
        self.enter(header.producer_epoch());
        self.last_timestamp = header.max_timestamp();
        self.remember(SentBatch {
            last_sequence: header.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: header.last_offset_delta(),
            timestamp: header.max_timestamp(),
        });
        let starts = self.txn_first_offset.is_none() && transactional;
        if starts {
            self.txn_first_offset = Some(batch.base_offset);
        }
        Ok(starts)
    }

    /// Takes in a control batch; gives back the transaction that it ends, if one was open.
    pub(super) fn append_control(
        &mut self,
        id: ProducerId,
        batch: &Candidate<'_>,
        control: ControlRecord,
    ) -> Result<Option<CompletedTxn>, Error> {
        if batch.origin == Origin::Client {
            return Err(Error::InvalidRecord(
                "clients are not allowed to write control records".into(),
            ));
        }
        let (end, coordinator_epoch) = match control {
            ControlRecord::EndTransaction { end, coordinator_epoch } => (end, coordinator_epoch),
            // Says nothing about a producer.
            ControlRecord::Other(_) if batch.origin == Origin::Replica => return Ok(None),
            ControlRecord::Other(kind) => {
                return Err(Error::InvalidRecord(format!(
                    "control record of type {kind} ends no transaction"
                )));
            }
        };
        self.check_epoch(id, batch)?;
        let current = self.coordinator_epoch.unwrap_or(-1);
        // Kafka's replicas accept those too: some were written before the check was there.
        if batch.origin != Origin::Replica && coordinator_epoch < current {
            return Err(Error::CoordinatorFenced { got: coordinator_epoch, current });
        }
        let completed = self.txn_first_offset.take().map(|first_offset| CompletedTxn {
            producer_id: id,
            first_offset,
            last_offset: batch.base_offset,
            aborted: end == TransactionEnd::Abort,
        });
        self.enter(batch.header.producer_epoch());
        self.coordinator_epoch = (coordinator_epoch >= 0).then_some(coordinator_epoch);
        self.last_timestamp = batch.header.max_timestamp();
        Ok(completed)
    }

    /// Goes over to an epoch; another one forgets the batches of the last.
    fn enter(&mut self, epoch: Option<ProducerEpoch>) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.recent = Recent::default();
        }
    }

    fn check_epoch(&self, id: ProducerId, batch: &Candidate<'_>) -> Result<(), Error> {
        let (got, current) = (batch.header.producer_epoch(), self.epoch);
        let fenced = match batch.origin {
            Origin::Replica => false,
            Origin::Coordinator { transaction_version: 2.. } if batch.is_control() => {
                got <= current
            }
            Origin::Client | Origin::Coordinator { .. } => got < current,
        };
        if fenced {
            return Err(Error::ProducerFenced {
                producer_id: id.0,
                got: ProducerEpoch::to_wire(got),
                current: ProducerEpoch::to_wire(current),
            });
        }
        Ok(())
    }

    /// A producer that is not known may start anywhere, for what was known of it may have expired;
    /// a new epoch starts at 0; else the next number comes next.
    fn check_sequence(&self, id: ProducerId, header: &BatchHeader) -> Result<(), Error> {
        let expected = match self.epoch {
            None => return Ok(()),
            epoch if epoch == header.producer_epoch() => {
                let last = self.batches().last().and_then(|sent| sent.last_sequence);
                last.map_or(Sequence(0), |last| last.plus(1))
            }
            Some(_) => Sequence(0),
        };
        if header.base_sequence() == Some(expected) {
            return Ok(());
        }
        Err(Error::OutOfOrderSequence {
            producer_id: id.0,
            got: Sequence::to_wire(header.base_sequence()),
            expected: expected.0,
        })
    }
}
