//! What the producer state promises, and that it is Kafka's.

mod transactions;

use proptest::prelude::*;

use super::state::{MAX_OPEN_TRANSACTIONS, MAX_PRODUCERS};
use super::*;
use crate::error::Error;
use crate::log::{LogConfig, Origin, Settings};
use crate::record::{Attributes, BatchHeader, ControlRecord, HEADER_LEN, LeaderEpoch, NewHeader};
use crate::record::{
    Offset, ProducerEpoch, ProducerId, Stamp, TimestampType, TransactionEnd, stamp,
};

const NOW: i64 = 1_700_000_000_000;
const DAY: i64 = 86_400_000;
const V1: Origin = Origin::Coordinator { transaction_version: 1 };
const V2: Origin = Origin::Coordinator { transaction_version: 2 };

/// A batch as a test says it.
#[derive(Clone, Copy, Debug)]
struct Sent {
    id: i64,
    epoch: i16,
    sequence: i32,
    count: i32,
    transactional: bool,
    end: Option<(TransactionEnd, i32)>,
    time: i64,
    origin: Origin,
}

/// Records of producer 1, epoch 0.
fn data(sequence: i32, count: i32) -> Sent {
    let (end, origin) = (None, Origin::Client);
    Sent { id: 1, epoch: 0, sequence, count, transactional: false, end, time: NOW, origin }
}

/// A marker for producer 1, epoch 0.
fn marker(end: TransactionEnd, coordinator_epoch: i32) -> Sent {
    let end = Some((end, coordinator_epoch));
    Sent { sequence: -1, transactional: true, end, origin: V1, ..data(0, 1) }
}

fn commit() -> Sent {
    marker(TransactionEnd::Commit, 0)
}

fn abort() -> Sent {
    marker(TransactionEnd::Abort, 0)
}

impl Sent {
    fn of(self, id: i64, epoch: i16) -> Self {
        Sent { id, epoch, ..self }
    }

    fn in_txn(self) -> Self {
        Sent { transactional: true, ..self }
    }

    fn from(self, origin: Origin) -> Self {
        Sent { origin, ..self }
    }

    fn header(&self, base_offset: Offset) -> BatchHeader {
        let mut bytes = vec![0; HEADER_LEN];
        let header = NewHeader {
            attributes: Attributes::default()
                .with_transactional(self.transactional)
                .with_control(self.end.is_some()),
            last_offset_delta: self.count - 1,
            base_timestamp: self.time,
            max_timestamp: self.time,
            producer_id: self.id,
            producer_epoch: self.epoch,
            base_sequence: self.sequence,
            record_count: self.count,
        };
        let header = header.from_client().encode(&mut bytes);
        let to = Stamp {
            base_offset,
            leader_epoch: LeaderEpoch(0),
            timestamp_type: TimestampType::CreateTime,
            max_timestamp: header.max_timestamp(),
        };
        stamp(&mut bytes, to);
        BatchHeader::decode(&bytes).unwrap()
    }

    fn control(&self) -> Option<ControlRecord> {
        let (end, coordinator_epoch) = self.end?;
        Some(ControlRecord::EndTransaction { end, coordinator_epoch })
    }
}

/// A partition without a log.
struct Partition {
    producers: Producers,
    log_end: Offset,
    written: Vec<(Sent, Offset)>,
    /// Producer, first and last offset, last stable offset.
    aborted: Vec<(i64, Offset, Offset, Offset)>,
}

impl Partition {
    fn new() -> Self {
        Partition {
            producers: Producers::new(0),
            log_end: 0,
            written: Vec::new(),
            aborted: Vec::new(),
        }
    }

    /// One append; the high watermark stays.
    fn append_all(&mut self, batches: &[Sent]) -> Result<Outcome, Error> {
        let mut update = Update::default();
        let mut end = self.log_end;
        for sent in batches {
            let header = sent.header(0);
            let (control, origin) = (sent.control(), sent.origin);
            let batch = Candidate { origin, header: &header, base_offset: end, control };
            if let Outcome::Duplicate(of) = self.producers.check(&mut update, &batch)? {
                return Ok(Outcome::Duplicate(of));
            }
            self.written.push((*sent, end));
            end += Offset::from(sent.count);
        }
        self.log_end = end;
        for txn in self.producers.commit(&mut update, end) {
            let stable = self.producers.last_stable_offset_for(&txn);
            if txn.aborted {
                self.aborted.push((txn.producer_id.0, txn.first_offset, txn.last_offset, stable));
            }
            self.producers.complete(&txn);
        }
        Ok(Outcome::New)
    }

    fn append(&mut self, sent: Sent) -> Result<Outcome, Error> {
        self.append_all(&[sent])
    }

    fn takes(&mut self, batches: &[Sent]) -> &mut Self {
        for &sent in batches {
            assert_eq!(self.append(sent).unwrap(), Outcome::New, "{sent:?}");
        }
        self
    }

    fn refuses(&mut self, sent: Sent) -> i16 {
        let before = self.producers.in_order();
        let code = self.append(sent).unwrap_err().kafka_code();
        assert_eq!(self.producers.in_order(), before, "a refused batch leaves no trace");
        code
    }

    fn entry(&self, id: i64) -> ProducerEntry {
        *self.producers.get(ProducerId(id)).unwrap()
    }

    fn unstable(&self) -> Option<Offset> {
        self.producers.first_unstable_offset()
    }
}

fn settings() -> Settings {
    *LogConfig::new().settings()
}

/// The two refusals that tests meet most.
const OUT_OF_ORDER: i16 = 45;
const FENCED: i16 = 47;

#[test]
fn the_last_five_batches_are_known_again_and_the_sixth_last_is_not() {
    let mut partition = Partition::new();
    let batches: Vec<_> = (0..6).map(|n| Sent { time: NOW + 5, ..data(2 * n, 2) }).collect();
    partition.takes(&batches);
    for (n, &batch) in batches.iter().enumerate().skip(1) {
        let first_offset = 2 * n as i64;
        let same =
            Duplicate { first_offset, last_offset: first_offset + 1, timestamp: Some(NOW + 5) };
        let again = Sent { time: NOW + 99, ..batch };
        assert_eq!(partition.append(again).unwrap(), Outcome::Duplicate(same));
    }
    assert_eq!(partition.refuses(batches[0]), OUT_OF_ORDER);
    assert_eq!(partition.log_end, 12);
}

#[test]
fn a_batch_that_overlaps_an_earlier_one_is_no_duplicate() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 2), data(2, 2)]);
    for overlapping in [data(0, 3), data(0, 4), data(1, 2), data(3, 1), data(2, 1)] {
        assert_eq!(partition.refuses(overlapping), OUT_OF_ORDER, "{overlapping:?}");
    }
}

#[test]
fn a_gap_is_refused_with_what_comes_next() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 3)]);
    let Err(Error::OutOfOrderSequence { producer_id, got, expected }) =
        partition.append(data(5, 1))
    else {
        panic!("a gap was taken")
    };
    assert_eq!((producer_id, got, expected), (1, 5, 3));
}

#[test]
fn duplicates_from_a_leader_are_taken_as_they_come() {
    let mut partition = Partition::new();
    let copy = data(0, 2).from(Origin::Replica);
    partition.takes(&[copy, copy, data(9, 1).from(Origin::Replica)]);
    assert_eq!(partition.log_end, 5);
}

#[test]
fn producers_of_one_append_are_independent_of_each_other() {
    let mut partition = Partition::new();
    let batches = [data(0, 2), data(7, 1).of(2, 3), data(2, 1), data(0, 1).of(3, 0)];
    assert_eq!(partition.append_all(&batches).unwrap(), Outcome::New);
    assert_eq!(partition.entry(1).batches().len(), 2);
    assert_eq!((partition.entry(2).epoch, partition.log_end), (Some(ProducerEpoch(3)), 5));
}

#[test]
fn batches_of_one_append_see_each_other() {
    let gap = Partition::new().append_all(&[data(0, 2), data(3, 1)]).unwrap_err();
    assert_eq!(gap.kafka_code(), OUT_OF_ORDER);
    let again = Partition::new().append_all(&[data(0, 2), data(0, 2)]).unwrap();
    let timestamp = Some(NOW);
    let first = Duplicate { first_offset: 0, last_offset: 1, timestamp };
    assert_eq!(again, Outcome::Duplicate(first));
}

#[test]
fn nothing_is_known_of_a_batch_before_it_is_committed() {
    let producers = Producers::new(0);
    let header = data(0, 1).header(0);
    let batch =
        Candidate { origin: Origin::Client, header: &header, base_offset: 0, control: None };
    assert_eq!(producers.check(&mut Update::default(), &batch).unwrap(), Outcome::New);
    assert_eq!(producers.check(&mut Update::default(), &batch).unwrap(), Outcome::New);
    assert_eq!(producers.get(ProducerId(1)), None);
}

#[test]
fn sequences_wrap_inside_a_batch_and_between_two() {
    let mut partition = Partition::new();
    partition.takes(&[data(i32::MAX - 1, 3), data(1, 1)]);
    let wrapped = partition.entry(1).batches()[0];
    assert_eq!(wrapped.first_sequence().map(|s| s.0), Some(i32::MAX - 1));
    assert_eq!(wrapped.last_sequence.map(|s| s.0), Some(0));
    let edge = data(i32::MAX, 1).of(2, 0);
    partition.takes(&[edge]);
    assert_eq!(partition.refuses(data(1, 1).of(2, 0)), OUT_OF_ORDER);
    partition.takes(&[data(0, 1).of(2, 0)]);
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    Partition::new().takes(&[data(99, 1)]).takes(&[data(100, 1)]);
    Partition::new().takes(&[data(99, 1).of(7, 4).in_txn()]);
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 2)]);
    assert_eq!(partition.refuses(data(2, 1).of(1, 1)), OUT_OF_ORDER);
    partition.takes(&[data(0, 1).of(1, 1)]);
    assert_eq!(partition.entry(1).batches().len(), 1);
    assert_eq!(partition.refuses(data(2, 1)), FENCED);
    assert_eq!(partition.refuses(commit()), FENCED);
    let late = data(2, 1).from(Origin::Replica);
    partition.takes(&[late]);
    assert_eq!(partition.entry(1).epoch, Some(ProducerEpoch(0)));
}

#[test]
fn only_producers_without_an_open_transaction_expire_and_at_the_very_millisecond() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 1), data(0, 1).of(2, 0).in_txn(), commit().of(3, 0)]);
    let producers = &mut partition.producers;
    assert_eq!(producers.expire(&settings(), NOW + DAY - 1), 0);
    assert_eq!(producers.expire(&settings(), NOW + DAY), 2);
    assert!(producers.get(ProducerId(2)).is_some());
    let entries = producers.in_order();
    producers.load(3, entries, &settings(), NOW + 99 * DAY);
    assert_eq!((producers.first_unstable_offset(), producers.map_end_offset()), (Some(1), 3));
}

#[test]
fn what_a_snapshot_brings_back_knows_the_last_batch_only() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 2), data(2, 2), data(0, 1).of(2, 0).in_txn()]);
    let file = crate::log::snapshot::encode(&partition.producers.in_order());
    let entries = crate::log::snapshot::decode(&file).unwrap();
    partition.producers.load(5, entries, &settings(), NOW);
    let timestamp = Some(NOW);
    let last = Duplicate { first_offset: 2, last_offset: 3, timestamp };
    assert_eq!(partition.append(data(2, 2)).unwrap(), Outcome::Duplicate(last));
    assert_eq!(partition.refuses(data(0, 2)), OUT_OF_ORDER);
    assert_eq!(partition.unstable(), Some(4));
    partition.takes(&[data(4, 1)]);
}

#[test]
fn a_snapshot_is_due_once_for_each_offset_data_without_a_producer_included() {
    let mut producers = Producers::new(0);
    assert_eq!(producers.snapshot_due(), None);
    producers.apply_replica(&data(-1, 3).of(-1, -1).header(0), None).unwrap();
    assert_eq!((producers.snapshot_due(), producers.in_order().len()), (Some(3), 0));
    producers.snapshot_taken();
    assert_eq!(producers.snapshot_due(), None);
    producers.set_map_end_offset(9);
    assert_eq!(producers.snapshot_due(), Some(9), "a roll to a later base");
}

#[test]
fn order_inside_a_bucket_is_that_of_arrival_and_a_producer_that_returns_comes_last() {
    let mut partition = Partition::new();
    let ids = |p: &Partition| p.producers.in_order().iter().map(|(id, _)| id.0).collect::<Vec<_>>();
    let early = Sent { time: NOW - DAY, ..data(0, 1) };
    partition.takes(&[early.of(32, 0), data(0, 1).of(16, 0), data(0, 1).of(0, 0)]);
    partition.takes(&[data(1, 1).of(16, 0)]);
    assert_eq!(ids(&partition), [32, 16, 0]);
    partition.producers.expire(&settings(), NOW);
    partition.takes(&[early.of(32, 0)]);
    assert_eq!(ids(&partition), [16, 0, 32]);
}

#[test]
fn a_producer_too_many_is_refused_on_append_and_read_all_the_same() {
    let mut producers = Producers::new(0);
    for id in 0..MAX_PRODUCERS as i64 {
        producers.apply_replica(&data(0, 1).of(id, 0).header(id), None).unwrap();
    }
    let (end, header) = (MAX_PRODUCERS as i64, data(0, 1).of(i64::MAX, 0).header(0));
    let batch = |origin| Candidate { origin, header: &header, base_offset: end, control: None };
    let refused = producers.check(&mut Update::default(), &batch(Origin::Client));
    assert!(matches!(refused, Err(Error::TooLarge { limit: MAX_PRODUCERS, .. })));
    let taken = producers.check(&mut Update::default(), &batch(Origin::Replica)).unwrap();
    assert_eq!(taken, Outcome::New);
}

#[test]
fn an_open_transaction_too_many_is_refused() {
    let mut producers = Producers::new(0);
    for id in 0..MAX_OPEN_TRANSACTIONS as i64 {
        producers.apply_replica(&data(0, 1).of(id, 0).in_txn().header(id), None).unwrap();
    }
    let header = data(0, 1).of(i64::MAX, 0).in_txn().header(0);
    let base_offset = MAX_OPEN_TRANSACTIONS as i64;
    let batch = Candidate { origin: Origin::Client, header: &header, base_offset, control: None };
    let refused = producers.check(&mut Update::default(), &batch);
    assert!(matches!(refused, Err(Error::TooLarge { limit: MAX_OPEN_TRANSACTIONS, .. })));
}

fn anything() -> impl Strategy<Value = Sent> {
    let sequence = prop_oneof![Just(0), Just(i32::MAX), 0..9_i32];
    (1..4_i64, 0..3_i16, sequence, 1..4_i32, 0..6).prop_map(|(id, epoch, sequence, count, what)| {
        match what {
            0 => Sent { origin: V1, ..commit().of(id, epoch) },
            1 => Sent { origin: V2, ..abort().of(id, epoch) },
            2 | 3 => data(sequence, count).of(id, epoch).in_txn(),
            _ => data(sequence, count).of(id, epoch),
        }
    })
}

proptest! {
    #[test]
    fn replaying_what_was_taken_gives_the_same_state(
        batches in proptest::collection::vec(anything(), 0..60),
    ) {
        let mut partition = Partition::new();
        for sent in batches {
            let written = partition.written.len();
            if !matches!(partition.append(sent), Ok(Outcome::New)) {
                partition.written.truncate(written);
            }
        }
        let mut replayed = Producers::new(0);
        for (sent, at) in &partition.written {
            if let Some(txn) = replayed.apply_replica(&sent.header(*at), sent.control()).unwrap() {
                replayed.complete(&txn);
            }
        }
        prop_assert_eq!(replayed.in_order(), partition.producers.in_order());
        prop_assert_eq!(replayed.first_unstable_offset(), partition.unstable());
        prop_assert_eq!(replayed.map_end_offset(), partition.log_end);
    }

    #[test]
    fn records_of_an_epoch_are_taken_in_sequence_and_without_a_gap(
        batches in proptest::collection::vec((0..6_i32, 1..3_i32), 0..40),
    ) {
        let mut partition = Partition::new();
        partition.takes(&[data(0, 1)]);
        let mut next = 1;
        for (sequence, count) in batches {
            let taken = matches!(partition.append(data(sequence, count)), Ok(Outcome::New));
            prop_assert_eq!(taken, sequence == next);
            next += if taken { count } else { 0 };
        }
        prop_assert_eq!(partition.log_end, i64::from(next));
    }
}
