//! One record by its offset: from large batches in pieces, and never less checked than a fetch.

use std::os::unix::fs::FileExt;
use std::path::Path;

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::{
    Batch, CleanupPolicy, Durability, Error, FetchOptions, Isolation, Log, LogConfig, Record,
    Store, TopicOptions,
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

/// Small batches: 1 to 3 records of up to 200 bytes, or one of up to 3000.
fn fill_small(log: &Log, numbers: std::ops::Range<i64>, value: impl Fn(i64) -> Vec<u8>) {
    let mut first = numbers.start;
    while first < numbers.end {
        let records = if first % 7 == 0 { 1 } else { (1 + first % 3).min(numbers.end - first) };
        let mut values: Vec<_> = (first..first + records).map(&value).collect();
        if first % 7 != 0 {
            for value in &mut values {
                value.truncate(200);
            }
        }
        let batch = Batch::of(values.iter().map(|value| Record::new().value(value)));
        log.append(batch, Durability::Written).unwrap();
        first += records;
    }
}

/// Offsets below `end`, each twice, in no order.
fn shuffled(end: i64) -> impl Iterator<Item = i64> {
    (0..2 * end).map(move |number| number * 7919 % end)
}

fn is_begin_of(value: &[u8], whole: &[u8]) -> bool {
    value == &whole[..whole.len().min(value.len())] && (value.len() >= 200 || value == whole)
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

#[test]
fn a_record_of_a_small_batch_is_got_whatever_was_got_before() {
    let (_dir, path) = place();
    let (store, log) = log_in(&path);
    // The batch that holds the last of them goes whole.
    let (end, cut) = (3000, 1497..1500);
    let all_are_there = |log: &Log, value: &dyn Fn(i64) -> Vec<u8>, from: i64| {
        for offset in shuffled(end).filter(|&offset| offset >= from) {
            match get(log, offset).unwrap() {
                Some((at, got)) => {
                    assert!(at == offset && is_begin_of(&got, &value(offset)), "{offset}");
                }
                None => assert!(cut.contains(&offset), "{offset}"),
            }
        }
    };
    fill_small(&log, 0..end, value);
    all_are_there(&log, &value, 0);
    // Other bytes come to lie where ways lead.
    log.truncate_to(cut.end).unwrap();
    let kept = log.log_end_offset().unwrap();
    let other = |number: i64| value(number * 31 + 7);
    fill_small(&log, kept..end, other);
    all_are_there(&log, &other, kept);
    let now = |offset| if offset < kept { value(offset) } else { other(offset) };
    all_are_there(&log, &now, 0);
    store.close().unwrap();
    let store = open(&path);
    let log = store.topic("events").unwrap().partition(0).unwrap();
    all_are_there(&log, &now, 0);
    all_are_there(&log, &now, 0);
    store.close().unwrap();
}

#[test]
fn a_flipped_bit_is_noticed_in_a_small_batch_to_which_a_way_is_known() {
    let (_dir, path) = place();
    let (store, log) = log_in(&path);
    let end = 300;
    fill_small(&log, 0..end, value);
    for offset in shuffled(end) {
        assert!(get(&log, offset).unwrap().is_some());
    }
    let segment = &log.segments().unwrap()[0];
    let file = std::fs::File::options().read(true).write(true).open(&segment.path).unwrap();
    let mut refused = 0;
    for at in (0..segment.size_bytes).step_by(997) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        for offset in 0..end {
            match get(&log, offset) {
                Ok(Some((found, got))) => {
                    assert!(found == offset && is_begin_of(&got, &value(offset)), "{at} {offset}");
                }
                Err(Error::Corrupt { .. }) => refused += 1,
                other => panic!("{at} {offset}: {other:?}"),
            }
        }
        file.write_all_at(&byte, at).unwrap();
    }
    assert!(refused > 100, "{refused} were refused");
    store.close().unwrap();
}

#[test]
fn a_way_to_a_marker_or_to_what_was_aborted_shows_nothing() {
    let (_dir, path) = place();
    let (store, log) = log_in(&path);
    fill_small(&log, 0..900, value);
    let producer = (ProducerId(7), ProducerEpoch(0));
    let batch = Batch::of([Record::new().value("undone")]);
    let batch = batch.producer(producer.0, producer.1, Sequence(0)).transactional(true);
    log.append(batch, Durability::Written).unwrap();
    log.end_transaction(producer, TransactionEnd::Abort, 0, Durability::Written).unwrap();
    fill_small(&log, 902..1800, value);
    let committed = FetchOptions::new().isolation(Isolation::ReadCommitted);
    for (all, options) in [(true, FetchOptions::new()), (false, committed)].repeat(2) {
        for offset in 0..1800 {
            let got = log.get(offset, options, |it| it.value().unwrap_or_default().to_vec());
            match (offset, got.unwrap()) {
                (900, got) => assert_eq!(got.is_some(), all, "it was aborted"),
                (901, got) => assert_eq!(got, None, "a marker"),
                (_, got) => assert!(is_begin_of(&got.unwrap(), &value(offset)), "{offset}"),
            }
        }
    }
    store.close().unwrap();
}

#[test]
fn what_compaction_left_is_got_whatever_was_got_before() {
    let (_dir, path) = place();
    let store = open(&path);
    let config = LogConfig::new().segment_bytes(100_000).cleanup_policy(CleanupPolicy::Compact);
    let topic = store.create_topic("events", TopicOptions::new().config(config)).unwrap();
    let log = topic.partition(0).unwrap();
    for number in 0..3000_i64 {
        let (key, value) = (format!("k{}", number * 7919 % 1700), value(number % 200));
        let record = Record::new().key(&key).value(&value);
        log.append(Batch::of([record]), Durability::Written).unwrap();
    }
    assert!(store.clean("events").unwrap().segments_before > 0);
    let mut left = std::collections::BTreeMap::new();
    let mut at = 0;
    while at < 3000 {
        let fetched = log.fetch(at, FetchOptions::new()).unwrap();
        for record in fetched.records() {
            let record = record.unwrap();
            left.insert(record.offset(), record.value().unwrap().to_vec());
        }
        at = fetched.next_offset();
    }
    assert!((1700..2900).contains(&left.len()), "{}", left.len());
    for offset in shuffled(3000).chain(0..3000) {
        let got = get(&log, offset).unwrap();
        assert_eq!(got.as_ref().map(|(_, value)| value), left.get(&offset), "{offset}");
    }
    store.close().unwrap();
}
