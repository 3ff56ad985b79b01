//! One record by its offset: from large batches in pieces, and never less checked than a fetch.

use std::os::unix::fs::FileExt;
use std::path::Path;

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::{
    Batch, Durability, Error, FetchOptions, Isolation, Log, Record, Store, TopicOptions,
};

use crate::help::{open, place};

fn log_in(path: &Path) -> (Store, Log) {
    let store = open(path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    (store, log)
}

/// A value that tells its number, of any length up to 3000 bytes.
fn value(number: i64) -> Vec<u8> {
    let len = (number as usize * 7919) % 3000;
    format!("{number}:{}", "x".repeat(len)).into_bytes()
}

/// Batches of 50 records, of about 75 KiB each.
fn fill(log: &Log, numbers: std::ops::Range<i64>) {
    let numbers: Vec<_> = numbers.collect();
    for some in numbers.chunks(50) {
        let values: Vec<_> = some.iter().map(|&number| value(number)).collect();
        let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
        log.append(batch, Durability::Written).unwrap();
    }
}

fn get(log: &Log, offset: i64) -> Result<Option<(i64, Vec<u8>)>, Error> {
    log.get(offset, FetchOptions::new(), |record| {
        (record.offset(), record.value().unwrap_or_default().to_vec())
    })
}

#[test]
fn every_record_is_got_the_first_time_and_again() {
    let (_dir, path) = place();
    let (store, log) = log_in(&path);
    fill(&log, 0..1000);
    for (round, offset) in (0..3).flat_map(|round| (0..1000).map(move |it| (round, it))) {
        let got = get(&log, offset).unwrap();
        assert_eq!(got, Some((offset, value(offset))), "round {round}");
    }
    assert_eq!(get(&log, 1000).unwrap(), None, "nothing is there yet");
    for outside in [-1, 1001] {
        assert!(matches!(get(&log, outside), Err(Error::OffsetOutOfRange { .. })));
    }
    store.close().unwrap();
}

#[test]
fn a_flipped_bit_is_noticed_in_a_batch_that_was_got_from_before() {
    let (_dir, path) = place();
    let (store, log) = log_in(&path);
    fill(&log, 0..200);
    let all = || (0..200).map(|offset| get(&log, offset)).collect::<Vec<_>>();
    assert!(all().iter().all(Result::is_ok) && all().iter().all(Result::is_ok));
    let segment = &log.segments().unwrap()[0];
    let file = std::fs::File::options().read(true).write(true).open(&segment.path).unwrap();
    // In the third batch.
    let at = segment.size_bytes * 5 / 8;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    let mut refused = 0;
    for (offset, got) in (0..).zip(all()) {
        match got {
            Ok(got) => assert_eq!(got, Some((offset, value(offset)))),
            Err(Error::Corrupt { offsets: Some((100, 149)), .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..=50).contains(&refused), "{refused} were refused");
    file.write_all_at(&byte, at).unwrap();
    assert!(all().iter().all(Result::is_ok), "it was the disk that lied");
    store.close().unwrap();
}

#[test]
fn what_was_cut_off_and_written_anew_is_got_as_it_is_now() {
    let (_dir, path) = place();
    let (store, log) = log_in(&path);
    fill(&log, 0..300);
    (0..300).for_each(|offset| drop(get(&log, offset).unwrap()));
    // The batch that holds it goes whole; the next one begins right there.
    log.truncate_to(120).unwrap();
    let other = |offset: i64| value(offset + 1_000_000);
    for first in (120..300).step_by(50) {
        let values: Vec<_> = (first..first + 50).map(other).collect();
        let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
        log.append(batch, Durability::Written).unwrap();
    }
    for offset in (0..300).chain(0..300) {
        let wanted = match offset {
            0..100 => Some((offset, value(offset))),
            100..120 => None,
            _ => Some((offset, other(offset))),
        };
        assert_eq!(get(&log, offset).unwrap(), wanted);
    }
    store.close().unwrap();
}

#[test]
fn a_marker_and_what_was_aborted_are_not_got() {
    let (_dir, path) = place();
    let (store, log) = log_in(&path);
    let producer = (ProducerId(7), ProducerEpoch(0));
    let values: Vec<_> = (0..40).map(value).collect();
    let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
    let batch = batch.producer(producer.0, producer.1, Sequence(0)).transactional(true);
    log.append(batch, Durability::Written).unwrap();
    log.end_transaction(producer, TransactionEnd::Abort, 0, Durability::Written).unwrap();
    let committed = FetchOptions::new().isolation(Isolation::ReadCommitted);
    for _ in 0..2 {
        for offset in 0..41 {
            let seen = get(&log, offset).unwrap();
            let wanted = (offset < 40).then(|| (offset, value(offset)));
            assert_eq!(seen, wanted);
            let seen = log.get(offset, committed, |_| ()).unwrap();
            assert_eq!(seen, None, "{offset}");
        }
    }
    store.close().unwrap();
}
