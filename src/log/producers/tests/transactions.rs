//! Markers, fencing, and what readers wait for.

use super::*;

#[test]
fn a_producer_known_by_a_marker_alone_starts_at_zero() {
    let mut partition = Partition::new();
    partition.takes(&[commit().of(9, 5)]);
    assert_eq!((partition.unstable(), partition.aborted.len()), (None, 0));
    assert_eq!(partition.refuses(data(3, 1).of(9, 5)), OUT_OF_ORDER);
    assert_eq!(partition.refuses(data(0, 1).of(9, 4)), FENCED);
    partition.takes(&[data(0, 1).of(9, 5)]);
}

#[test]
fn a_marker_of_a_higher_epoch_raises_it_and_forgets_the_batches() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 2).in_txn(), abort().of(1, 1)]);
    let entry = partition.entry(1);
    assert_eq!((entry.epoch, entry.batches()), (Some(ProducerEpoch(1)), &[][..]));
    assert_eq!((entry.txn_first_offset, entry.coordinator_epoch), (None, Some(0)));
    assert_eq!(partition.refuses(data(2, 1).of(1, 1)), OUT_OF_ORDER);
}

#[test]
fn a_marker_of_the_same_epoch_keeps_the_batches() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 2).in_txn(), commit(), data(2, 1)]);
    assert_eq!(partition.entry(1).batches().len(), 2);
}

#[test]
fn from_transaction_version_2_on_a_marker_must_raise_the_epoch() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 2).in_txn()]);
    assert_eq!(partition.refuses(commit().from(V2)), FENCED);
    partition.takes(&[commit().of(1, 1).from(V2)]);
    assert_eq!(partition.refuses(commit().of(1, 1).from(V2)), FENCED);
    partition.takes(&[commit().of(1, 1), data(0, 1).of(1, 1).in_txn()]);
}

#[test]
fn an_older_coordinator_is_fenced_but_not_when_its_marker_is_in_the_log() {
    let mut partition = Partition::new();
    partition.takes(&[marker(TransactionEnd::Commit, 5)]);
    let zombie = marker(TransactionEnd::Abort, 4);
    assert_eq!(partition.refuses(zombie), 52);
    partition.takes(&[zombie.from(Origin::Replica)]);
    assert_eq!(partition.entry(1).coordinator_epoch, Some(4));
}

#[test]
fn records_outside_an_open_transaction_are_refused_from_everybody() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 1).in_txn()]);
    assert_eq!(partition.refuses(data(1, 1)), 48);
    assert_eq!(partition.refuses(data(1, 1).from(Origin::Replica)), 48);
    let end = partition.producers.map_end_offset();
    assert!(partition.producers.apply_replica(&data(1, 1).header(1), None).is_err());
    assert_eq!(partition.producers.map_end_offset(), end);
}

#[test]
fn a_client_may_not_end_a_transaction() {
    assert_eq!(Partition::new().refuses(commit().from(Origin::Client)), 87);
}

#[test]
fn a_transaction_is_unstable_until_the_high_watermark_has_passed_its_marker() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 3), data(3, 2).in_txn(), commit()]);
    assert_eq!(partition.unstable(), Some(3));
    let producers = &mut partition.producers;
    producers.high_watermark_moved(5);
    assert_eq!(
        (producers.first_unstable_offset(), producers.last_stable_offset(0, 5)),
        (Some(3), 3)
    );
    assert_eq!(producers.last_stable_offset(4, 5), 4, "never below the log start");
    assert_eq!(producers.last_stable_offset(0, 2), 2, "never above the high watermark");
    producers.high_watermark_moved(6);
    assert_eq!((producers.first_unstable_offset(), producers.last_stable_offset(0, 6)), (None, 6));
}

#[test]
fn each_of_several_transactions_in_one_append_completes() {
    let mut partition = Partition::new();
    let batches = [data(0, 2).in_txn(), abort(), abort(), data(2, 1).in_txn(), abort()];
    assert_eq!(partition.append_all(&batches).unwrap(), Outcome::New);
    assert_eq!(partition.aborted, [(1, 0, 2, 3), (1, 4, 5, 6)]);
    assert_eq!(partition.producers.transactions().open(), 0);
}

#[test]
fn the_stable_offset_of_an_abort_looks_at_other_producers_only() {
    let mut partition = Partition::new();
    let other = |sent: Sent| sent.of(2, 0);
    partition.takes(&[data(0, 1).in_txn(), other(data(0, 1)).in_txn(), other(abort()), abort()]);
    assert_eq!(partition.aborted, [(2, 1, 2, 0), (1, 0, 3, 4)]);
}

#[test]
fn raising_the_log_start_settles_ended_transactions_and_keeps_open_ones() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 2).in_txn(), commit(), data(0, 1).of(2, 0).in_txn()]);
    partition.producers.log_start_moved(2);
    assert_eq!(partition.unstable(), Some(0));
    partition.producers.log_start_moved(9);
    assert_eq!((partition.unstable(), partition.producers.map_end_offset()), (Some(3), 9));
}

#[test]
fn an_emptied_control_batch_is_ignored() {
    let mut partition = Partition::new();
    partition.takes(&[data(0, 1).in_txn()]);
    let before = partition.entry(1);
    let completed = partition.producers.apply_replica(&commit().header(1), None).unwrap();
    assert_eq!((completed, partition.entry(1), partition.unstable()), (None, before, Some(0)));
    assert_eq!(partition.producers.map_end_offset(), 2);
}

#[test]
fn a_control_record_of_another_type_is_skipped_in_a_log_and_refused_from_a_coordinator() {
    let (mut producers, header) = (Producers::new(0), commit().header(0));
    assert_eq!(producers.apply_replica(&header, Some(ControlRecord::Other(7))).unwrap(), None);
    let control = Some(ControlRecord::Other(7));
    let batch = Candidate { origin: V1, header: &header, base_offset: 1, control };
    let refused = producers.check(&mut Update::default(), &batch).unwrap_err();
    assert_eq!(refused.kafka_code(), 87);
}

#[test]
fn the_sequence_of_a_compacted_batch_comes_from_its_header() {
    let mut header = NewHeader {
        attributes: Attributes::default(),
        last_offset_delta: 4,
        base_timestamp: NOW,
        max_timestamp: NOW,
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 10,
        record_count: 0,
    };
    header.record_count = 1;
    let header = header.from_client();
    let mut producers = Producers::new(0);
    assert_eq!(producers.apply_replica(&header, None).unwrap(), None);
    let last = producers.get(ProducerId(1)).unwrap().batches()[0];
    assert_eq!((last.last_sequence.map(|s| s.0), last.last_offset), (Some(14), 4));
}
