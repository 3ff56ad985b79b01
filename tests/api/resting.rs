//! Logs that come to rest: what was found of them is let go while others are looked at, and to who
//! uses them nothing has changed.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::testing::{is_at_rest, most_awake};
use strandline::{
    Batch, CleanupPolicy, Durability, Error, FetchOptions, Isolation, Log, LogConfig, Record,
    SegmentInfo, Store, TopicOptions,
};

use crate::help::{MINUTE, START, append, by_hand, fast_place, open, text, tree, values};

const PARTITIONS: u32 = 40;
/// So many stay awake in these tests, and twice as many if they are used more than once.
const MOST: usize = 4;

fn open_with(path: &Path, most: usize) -> Store {
    most_awake(by_hand().0, most).open(path).unwrap()
}

fn log(store: &Store, number: u32) -> Log {
    store.log("events", number).unwrap()
}

fn awake(store: &Store) -> usize {
    (0..PARTITIONS).filter(|&number| !is_at_rest(&log(store, number))).count()
}

/// Looks at logs until those that can rest do.
fn look_at_others(store: &Store) {
    for number in 10..30 {
        log(store, number).log_end_offset().unwrap();
    }
}

fn transaction(log: &Log, id: i64, end: Option<TransactionEnd>) {
    let producer = (ProducerId(id), ProducerEpoch(0));
    let batch = Batch::of([Record::new().value("of a transaction")]);
    let batch = batch.producer(producer.0, producer.1, Sequence(0)).transactional(true);
    log.append(batch, Durability::Written).unwrap();
    if let Some(end) = end {
        log.end_transaction(producer, end, 0, Durability::Written).unwrap();
    }
}

/// A closed store whose logs differ in all that can be seen of one; every tenth is empty.
fn different_logs(path: &Path) {
    let store = open(path);
    let topic = store.create_topic("events", TopicOptions::new().partitions(PARTITIONS)).unwrap();
    for number in 0..PARTITIONS {
        let log = topic.partition(number).unwrap();
        for record in 0..number % 10 {
            append(&log, &format!("{record} of {number}"));
            if record % 3 == 2 {
                log.roll().unwrap();
            }
        }
        match number % 10 {
            4 => _ = log.delete_records(Some(2)).unwrap(),
            5 => _ = log.truncate_to(3).unwrap(),
            6 => transaction(&log, 1, None),
            7 => transaction(&log, 1, Some(TransactionEnd::Abort)),
            8 => transaction(&log, 1, Some(TransactionEnd::Commit)),
            _ => {}
        }
    }
    store.close().unwrap();
}

/// All that can be asked of a log.
#[derive(Debug, PartialEq)]
struct Seen {
    offsets: [i64; 5],
    epochs: Vec<(i32, i64)>,
    segments: Vec<SegmentInfo>,
    gap: Option<std::ops::Range<i64>>,
    values: Vec<String>,
    committed: Vec<i64>,
    of_time: Option<i64>,
    cleaned_to: i64,
}

fn see(log: &Log) -> Seen {
    let options = FetchOptions::new().isolation(Isolation::ReadCommitted);
    let start = log.log_start_offset().unwrap();
    let committed = log.fetch(start, options).unwrap();
    let of_time = log.offset_for_time(START, Isolation::ReadCommitted).unwrap();
    Seen {
        offsets: [
            start,
            log.log_end_offset().unwrap(),
            log.high_watermark().unwrap(),
            log.last_stable_offset().unwrap(),
            log.durable_end().unwrap(),
        ],
        epochs: log.leader_epochs().unwrap().iter().map(|(epoch, at)| (epoch.0, *at)).collect(),
        segments: log.segments().unwrap(),
        gap: log.gap().unwrap(),
        values: values(log),
        committed: committed.records().map(|record| record.unwrap().offset()).collect(),
        of_time: of_time.map(|found| found.offset),
        cleaned_to: log.cleanness().unwrap().cleaned_to,
    }
}

#[test]
fn few_logs_stay_awake_and_a_second_look_shows_what_the_first_one_did() {
    let (_dir, path) = fast_place();
    different_logs(&path);
    let before = tree(&path);
    let store = open_with(&path, MOST);
    for number in 0..PARTITIONS {
        log(&store, number).log_end_offset().unwrap();
        assert!(awake(&store) <= MOST, "{} at {number}", awake(&store));
    }
    let look = |number| {
        let seen = see(&log(&store, number));
        assert!(awake(&store) <= 2 * MOST, "{} at {number}", awake(&store));
        seen
    };
    let first: Vec<_> = (0..PARTITIONS).map(look).collect();
    let second: Vec<_> = (0..PARTITIONS).map(look).collect();
    assert_eq!(first, second);
    assert!(first.iter().any(|seen| seen.offsets[0] > 0 && seen.epochs.len() == 1));
    assert!(first.iter().any(|seen| seen.offsets[3] < seen.offsets[1]), "none is undecided");
    assert!(first.iter().any(|seen| seen.segments.len() > 2));
    drop(store);
    let after = tree(&path);
    let differs = |of: &&std::path::PathBuf| before.get(*of) != after.get(*of);
    let changed: Vec<_> = after.keys().filter(differs).collect();
    assert!(changed.iter().all(|of| of.parent() == Some(&path) || **of == path), "{changed:?}");
}

#[test]
fn logs_that_are_used_again_and_again_stay_awake_although_they_are_more() {
    let (_dir, path) = fast_place();
    different_logs(&path);
    let store = open_with(&path, MOST);
    for _ in 0..10 {
        for number in 0..PARTITIONS {
            log(&store, number).fetch(0, FetchOptions::new()).ok();
        }
    }
    assert_eq!(awake(&store), PARTITIONS as usize);
}

#[test]
fn a_log_that_somebody_waits_for_or_writes_to_does_not_rest() {
    let (_dir, path) = fast_place();
    different_logs(&path);
    let store = open_with(&path, 1);
    let end = |number| log(&store, number).log_end_offset().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut grown = pin!(log(&store, 1).grown(end(1), Isolation::ReadUncommitted).unwrap());
    assert_eq!(grown.as_mut().poll(&mut context), Poll::Pending);
    append(&log(&store, 2), "written to");
    log(&store, 3).log_end_offset().unwrap();
    look_at_others(&store);
    let rest: Vec<_> = (1..4).map(|number| is_at_rest(&log(&store, number))).collect();
    assert_eq!(rest, [false, false, true]);
    append(&log(&store, 1), "waited for");
    assert_eq!(grown.as_mut().poll(&mut context), Poll::Ready(()));
}

#[test]
fn a_thread_that_waits_is_woken_by_what_comes_after_others_were_looked_at() {
    let (_dir, path) = fast_place();
    different_logs(&path);
    let store = open_with(&path, 1);
    let waited_for = log(&store, 0);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| waited_for.wait_for(0, Duration::from_hours(1)).unwrap());
        look_at_others(&store);
        append(&waited_for, "at last");
        assert!(waits.join().unwrap());
    });
}

#[test]
fn what_was_fetched_and_who_follows_outlast_a_rest() {
    let (_dir, path) = fast_place();
    different_logs(&path);
    let store = open_with(&path, 1);
    let log = log(&store, 3);
    let fetched = log.fetch(0, FetchOptions::new()).unwrap();
    let mut follower = log.follow(0, FetchOptions::new()).unwrap();
    assert_eq!(follower.fetch().unwrap().records().count(), 3);
    look_at_others(&store);
    assert!(is_at_rest(&log));
    let first = fetched.records().next().unwrap().unwrap();
    assert_eq!(first.value(), Some(&b"0 of 3"[..]));
    assert!(follower.fetch().unwrap().is_empty());
    look_at_others(&store);
    assert!(is_at_rest(&log));
    append(&log, "more");
    let more = follower.fetch().unwrap();
    assert_eq!(more.records().next().unwrap().unwrap().value(), Some(&b"more"[..]));
}

#[test]
fn a_log_goes_on_behind_its_records_after_a_rest_and_knows_its_producers() {
    let (_dir, path) = fast_place();
    let store = open(&path);
    store.create_topic("events", TopicOptions::new().partitions(PARTITIONS)).unwrap();
    let batch = |sequence| {
        let batch = Batch::of([Record::new().value("sent once")]);
        batch.producer(ProducerId(5), ProducerEpoch(0), Sequence(sequence))
    };
    log(&store, 0).append(batch(0), Durability::Synced).unwrap();
    store.close().unwrap();

    let store = open_with(&path, 1);
    let log = log(&store, 0);
    assert_eq!(log.log_end_offset().unwrap(), 1);
    look_at_others(&store);
    assert!(is_at_rest(&log));
    assert!(log.append(batch(0), Durability::Synced).unwrap().duplicate);
    let next = log.append(batch(1), Durability::Synced).unwrap();
    assert_eq!((next.base_offset, next.duplicate, next.durable_end), (1, false, 2));
    look_at_others(&store);
    assert!(!is_at_rest(&log), "it was written to");
    store.close().unwrap();
    assert_eq!(open(&path).log("events", 0).unwrap().log_end_offset().unwrap(), 2);
}

#[test]
fn a_log_at_rest_is_checkpointed_at_the_close_as_one_in_use_is() {
    let (_dir, path) = fast_place();
    different_logs(&path);
    let forgotten = path.join("log-start-offset-checkpoint");
    let lines = text(forgotten.clone());
    assert!(lines.contains("events 4 2"), "{lines}");
    std::fs::write(&forgotten, "0\n0\n").unwrap();
    let store = open_with(&path, 1);
    log(&store, 4).log_end_offset().unwrap();
    look_at_others(&store);
    assert!(is_at_rest(&log(&store, 4)));
    append(&log(&store, 0), "something");
    store.close().unwrap();
    assert!(text(forgotten).contains("events 4 2"));
}

#[test]
fn a_gap_is_still_there_after_a_rest_and_is_accepted_once() {
    let (_dir, path) = fast_place();
    let store = open(&path);
    store.create_topic("events", TopicOptions::new().partitions(PARTITIONS)).unwrap();
    for value in ["one", "two", "three"] {
        append(&log(&store, 0), value);
        log(&store, 0).roll().unwrap();
    }
    store.close().unwrap();
    std::fs::remove_file(path.join("events-0/00000000000000000000.log")).unwrap();

    let store = open_with(&path, 1);
    let log = log(&store, 0);
    assert_eq!(log.gap().unwrap(), Some(0..1));
    look_at_others(&store);
    assert_eq!(log.gap().unwrap(), Some(0..1));
    let refused = log.append(Batch::of([Record::new().value("x")]), Durability::Written);
    assert!(matches!(refused, Err(Error::GapNotAccepted { from: 0, to: 1 })), "{refused:?}");
    log.accept_gaps().unwrap();
    look_at_others(&store);
    assert_eq!((append(&log, "four"), log.gap().unwrap()), (3, None));
}

#[test]
fn a_log_whose_look_scans_does_not_rest() {
    let (_dir, path) = fast_place();
    different_logs(&path);
    let store = open(&path);
    append(&log(&store, 0), "not closed");
    drop(store);
    let store = open_with(&path, 1);
    let [left_open, closed] = [0, 1].map(|number| log(&store, number));
    assert_eq!((left_open.log_end_offset().unwrap(), closed.log_end_offset().unwrap()), (1, 1));
    look_at_others(&store);
    assert!(!is_at_rest(&left_open) && is_at_rest(&closed));
}

#[test]
fn housekeeping_leaves_logs_at_rest_until_there_is_something_to_do() {
    let (_dir, path) = fast_place();
    let config = LogConfig::new()
        .cleanup_policy(CleanupPolicy::CompactAndDelete)
        .retention(Some(Duration::from_hours(1)));
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    let options = TopicOptions::new().partitions(PARTITIONS).config(config);
    store.create_topic("events", options).unwrap();
    for number in 0..PARTITIONS {
        let batch = Batch::of([Record::new().key("k").value("v").timestamp(START)]);
        log(&store, number).append(batch, Durability::Written).unwrap();
    }
    store.close().unwrap();

    let store = most_awake(by_hand().0.clock(clock.clone()), MOST).open(&path).unwrap();
    let at_rest = || -> Vec<_> {
        (0..PARTITIONS).filter(|&number| is_at_rest(&log(&store, number))).collect()
    };
    let mut before = Vec::new();
    for minutes in 1..60 {
        clock.set(START + minutes * MINUTE);
        store.run_housekeeping(START + minutes * MINUTE).unwrap();
        assert!(awake(&store) <= MOST, "{} after {minutes} minutes", awake(&store));
        // Retention and cleaner have looked at all of them by then.
        assert!(minutes < 3 || at_rest() == before, "some were looked at again");
        before = at_rest();
    }
    look_at_others(&store);
    clock.set(START + 66 * MINUTE);
    store.run_housekeeping(START + 66 * MINUTE).unwrap();
    let starts: Vec<_> =
        (0..PARTITIONS).map(|number| log(&store, number).log_start_offset().unwrap()).collect();
    assert_eq!(starts, [1; PARTITIONS as usize], "they are more than an hour old");
}
