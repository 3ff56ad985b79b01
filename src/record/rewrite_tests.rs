//! Batches written anew hold what they held.

use super::*;
use crate::compression::{Codec, Compression, Compressor, Decompressor};

const HEADERS: [(&str, Option<&[u8]>); 2] = [("name", Some(b"value")), ("none", None)];

/// A batch of so many records, as a leader writes it.
fn batch(base: Offset, records: i64, change: impl Fn(Batch) -> Batch) -> Vec<u8> {
    let keys: Vec<String> = (0..records).map(|at| format!("key {}", base + at)).collect();
    let record = |(at, key): (usize, _)| {
        let record = Record::new().key(key).headers(&HEADERS).timestamp(1000 + base + at as i64);
        // Here and there a tombstone.
        if at % 5 == 3 { record } else { record.value("a value of some length") }
    };
    let mut batch = change(Batch::of(keys.iter().enumerate().map(record)));
    let wanted = Wanted { now: 0, timestamp_type: TimestampType::CreateTime, compression: None };
    let mut scratch = Vec::new();
    let (draft, facts) = batch.draft(wanted, &mut Compressor::new(), &mut scratch).unwrap();
    let placed = Stamp {
        base_offset: base,
        leader_epoch: LeaderEpoch(3),
        timestamp_type: TimestampType::CreateTime,
        max_timestamp: Some(facts.max_timestamp),
    };
    stamp(draft.bytes, placed);
    draft.bytes.to_vec()
}

/// A log of all kinds of batches.
fn log() -> Vec<u8> {
    let of = |id: i64, sequence: i32| {
        move |batch: Batch| {
            batch
                .producer(ProducerId(id), ProducerEpoch(1), Sequence(sequence))
                .transactional(id > 7)
        }
    };
    let end = TransactionEnd::Commit;
    let marker = encode_marker((ProducerId(8), ProducerEpoch(1)), end, 0, 5);
    let (mut marker, header) = (marker.0.to_vec(), marker.1);
    place(&mut marker, &header, 29, LeaderEpoch(3));
    [
        batch(0, 1, |it| it),
        batch(1, 7, |it| it),
        batch(8, 4, |it| it.compression(Compression::new(Codec::Gzip))),
        batch(20, 2, of(7, i32::MAX - 1)),
        batch(22, 3, of(7, 0)),
        batch(25, 4, of(8, 0)),
        marker,
        batch(30, 2, of(7, 9)),
    ]
    .concat()
}

/// What a record is, whichever batch it is in.
fn content(bytes: &[u8]) -> Vec<String> {
    let (mut all, mut with, mut inflated) = (Vec::new(), Decompressor::new(), Vec::new());
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        let header = *batch.header();
        for record in batch.records(&mut with, 1 << 20, &mut inflated).unwrap() {
            let record = record.unwrap();
            let headers: Vec<_> = record.headers().collect();
            all.push(format!(
                "{} {:?} {:?} {:?} {headers:?} {:?} {:?} {:?} {:?} {:?}",
                record.offset(),
                record.timestamp(),
                record.key(),
                record.value(),
                record.sequence(),
                record.leader_epoch(),
                header.producer_id(),
                header.producer_epoch(),
                header.attributes().is_transactional(),
            ));
        }
    }
    all
}

fn rewritten(mut rewriter: Rewriter, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for batch in Batches::new(bytes) {
        rewriter.add(&batch.unwrap(), &mut out).unwrap();
    }
    rewriter.finish(&mut out).unwrap();
    out
}

#[test]
fn records_are_the_same_in_every_codec_and_size_of_batches() {
    let log = log();
    let wanted = content(&log);
    assert_eq!(wanted.len(), 24);
    assert_eq!(rewritten(Rewriter::new(), &log), log);
    for codec in Codec::ALL.into_iter().map(Some).chain([None]) {
        for size in [None, Some(1), Some(150), Some(1 << 20)] {
            let mut rewriter = Rewriter::new();
            if let Some(codec) = codec {
                rewriter = rewriter.compression(Compression::new(codec));
            }
            if let Some(size) = size {
                rewriter = rewriter.batch_bytes(size);
            }
            let out = rewritten(rewriter, &log);
            assert_eq!(content(&out), wanted, "{codec:?} {size:?}");
            let headers: Vec<_> = Batches::new(&out).map(|it| *it.unwrap().header()).collect();
            let spans = headers.windows(2).all(|it| it[0].last_offset() < it[1].base_offset());
            assert!(spans, "{codec:?} {size:?}: {headers:?}");
            if let Some(codec) = codec {
                let data = headers.iter().filter(|it| !it.attributes().is_control());
                let mut data = data.map(|it| it.attributes().codec());
                assert!(data.all(|it| it == Some(codec)), "{codec:?} {size:?}");
            }
        }
    }
}

#[test]
fn only_what_could_have_been_sent_together_is_put_together() {
    let out = rewritten(Rewriter::new().batch_bytes(1 << 20), &log());
    let spans: Vec<_> = Batches::new(&out)
        .map(|it| *it.unwrap().header())
        .map(|it| (it.base_offset(), it.last_offset(), it.base_sequence().map(|it| it.0)))
        .collect();
    let wanted = [
        (0, 7, None),
        (8, 11, None),
        (20, 24, Some(i32::MAX - 1)),
        (25, 28, Some(0)),
        (29, 29, None),
        (30, 31, Some(9)),
    ];
    assert_eq!(spans, wanted);
}

#[test]
fn what_cannot_be_read_is_left_out_whole_and_told() {
    let mut rewriter = Rewriter::new().batch_bytes(1 << 20).max_inflated_bytes(10);
    let (mut out, log) = (Vec::new(), log());
    let results: Vec<_> =
        Batches::new(&log).map(|batch| rewriter.add(&batch.unwrap(), &mut out)).collect();
    rewriter.finish(&mut out).unwrap();
    let bad: Vec<_> = results.iter().filter_map(|it| it.err()).collect();
    assert!(matches!(bad[..], [UpgradeError::Records { last_offset: 11, .. }]), "{bad:?}");
    assert_eq!(content(&out).len(), 20);
}

#[test]
fn offsets_that_compaction_emptied_stay_with_their_batch() {
    let mut bytes = batch(0, 3, |it| it);
    // The last offset is 5: what stood at 3, 4 and 5 is gone.
    bytes[23..27].copy_from_slice(&5_i32.to_be_bytes());
    let crc = crate::wire::crc32c::checksum(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    for size in [1, 1 << 20] {
        let out = rewritten(Rewriter::new().batch_bytes(size), &bytes);
        let last = Batches::new(&out).last().unwrap().unwrap().header().last_offset();
        assert_eq!((last, content(&out)), (5, content(&bytes)));
    }
}
