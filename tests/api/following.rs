//! Readers that follow a log while another store, as in another process, writes it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::{
    Batch, Clock, Durability, Error, FetchOptions, Fetched, Follower, Isolation, Log, LogConfig,
    Record, Store, TopicOptions,
};

use crate::help::{START, append, by_hand, make_kafkas, open, open_read_only, place, values};

/// A store with a log of small segments.
pub(crate) fn small_log(path: &Path) -> (Store, Log) {
    let store = open(path);
    let config = LogConfig::new()
        .segment_bytes(700)
        .index_interval_bytes(64)
        .retention_bytes(Some(1500))
        .file_delete_delay(Duration::ZERO);
    let topic = store.create_topic("events", TopicOptions::new().config(config)).unwrap();
    let log = topic.partition(0).unwrap();
    (store, log)
}

pub(crate) fn follow(store: &Store) -> Follower {
    let log = store.log("events", 0).unwrap();
    log.follow(0, FetchOptions::new().max_bytes(300)).unwrap()
}

pub(crate) fn texts(fetched: &Fetched) -> Vec<String> {
    let value = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    fetched.records().map(|record| value(record.unwrap().value().unwrap_or_default())).collect()
}

/// All that a follower has to bring now.
pub(crate) fn drain(follower: &mut Follower) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let fetched = follower.fetch().unwrap();
        if fetched.is_empty() {
            return all;
        }
        all.extend(texts(&fetched));
    }
}

fn active(path: &Path) -> PathBuf {
    let names = crate::help::names(&path.join("events-0"));
    let last = names.into_iter().rfind(|name| name.strip_suffix(".log").is_some());
    path.join("events-0").join(last.unwrap())
}

/// That a reader sees what the writer does.
#[track_caller]
fn assert_sees_the_same(reader: &Log, writer: &Log) {
    assert_eq!(reader.log_end_offset().unwrap(), writer.log_end_offset().unwrap());
    assert_eq!(reader.log_start_offset().unwrap(), writer.log_start_offset().unwrap());
    assert_eq!(reader.last_stable_offset().unwrap(), writer.last_stable_offset().unwrap());
    assert_eq!(reader.leader_epochs().unwrap(), writer.leader_epochs().unwrap());
    assert!(reader.durable_end().unwrap() <= writer.durable_end().unwrap());
    let sizes = |log: &Log| -> Vec<_> {
        let segments = log.segments().unwrap();
        segments.iter().map(|it| (it.base_offset, it.size_bytes, it.path.clone())).collect()
    };
    let (seen, there) = (sizes(reader), sizes(writer));
    // What lies below the log start is of no use to a reader, and stays until the next retention.
    assert_eq!(seen, there[there.len() - seen.len()..]);
    assert_eq!(values(reader), values(writer));
    let (start, end) = (writer.log_start_offset().unwrap(), writer.log_end_offset().unwrap());
    for offset in (start..end).step_by(7) {
        let options = FetchOptions::new().max_bytes(64).isolation(Isolation::ReadCommitted);
        let read = |log: &Log| log.fetch(offset, options).unwrap();
        let (seen, there) = (read(reader), read(writer));
        assert_eq!((seen.bytes(), texts(&seen)), (there.bytes(), texts(&there)), "at {offset}");
    }
    let times = if seen.len() == there.len() { &[START, START + 40, START + 200][..] } else { &[] };
    for &ms in times {
        let find = |log: &Log| log.offset_for_time(ms, Isolation::ReadUncommitted).unwrap();
        assert_eq!(find(reader), find(writer), "at {ms}");
    }
}

#[test]
fn a_follower_brings_each_record_once_over_rolls_seals_and_retention() {
    let (_dir, path) = place();
    let (writer, log) = small_log(&path);
    let reader = open_read_only(&path);
    let mut follower = follow(&reader);
    let mut expected = 0;
    for round in 0..120_u64 {
        for number in 0..=round % 4 {
            let value = format!("{round}.{number}");
            append(&log, &value);
            if number == 1 {
                assert_eq!(drain(&mut follower)[..], [format!("{round}.0"), value]);
                expected += 2;
            } else if number > 1 || round % 4 == 0 {
                assert_eq!(drain(&mut follower), [value]);
                expected += 1;
            }
        }
        match round % 5 {
            0 => writer.run_housekeeping(START + 2000 * round.cast_signed()).unwrap(),
            1 => _ = log.enforce_retention().unwrap(),
            2 => _ = log.roll().unwrap(),
            3 => _ = log.delete_records(Some(log.log_end_offset().unwrap() - 3)).unwrap(),
            _ => {}
        }
        follower.log().refresh().unwrap();
        assert_sees_the_same(follower.log(), &log);
    }
    assert_eq!(follower.offset(), expected);
    assert!(follower.log().log_start_offset().unwrap() > 100);
}

#[test]
fn transactions_are_seen_as_the_writer_has_them() {
    let (_dir, path) = place();
    let (_writer, log) = small_log(&path);
    let reader = open_read_only(&path);
    let seen = reader.log("events", 0).unwrap();
    for number in 0..40 {
        let producer = (ProducerId(number % 3), ProducerEpoch(0));
        let batch = Batch::of([Record::new().value(&format!("{number}"))])
            .producer(producer.0, producer.1, Sequence(number as i32 / 3))
            .transactional(true);
        log.append(batch, Durability::Written).unwrap();
        seen.refresh().unwrap();
        assert_sees_the_same(&seen, &log);
        if number % 4 != 0 {
            let end = if number % 2 == 0 { TransactionEnd::Commit } else { TransactionEnd::Abort };
            log.end_transaction(producer, end, 0, Durability::Written).unwrap();
            seen.refresh().unwrap();
            assert_sees_the_same(&seen, &log);
        }
    }
    assert!(log.segments().unwrap().len() > 3);
}

#[test]
fn a_reader_is_told_of_a_cut_even_if_the_log_has_grown_over_it_since() {
    for (grown, rolled) in [(0, false), (3, false), (40, false), (40, true)] {
        let (_dir, path) = place();
        let (_writer, log) = small_log(&path);
        let reader = open_read_only(&path);
        for number in 0..20 {
            append(&log, &format!("old {number}"));
        }
        let mut follower = follow(&reader);
        assert_eq!(drain(&mut follower).len(), 20);
        log.truncate_to(12).unwrap();
        for number in 0..grown {
            append(&log, &format!("new {number}"));
            if rolled && number % 5 == 0 {
                log.roll().unwrap();
            }
        }
        match follower.fetch() {
            Err(Error::Truncated { to: 12, read_to: 20 }) => {}
            other => panic!("{grown} {rolled}: {other:?}"),
        }
        let new = drain(&mut follower);
        assert_eq!(new.len(), grown, "told once, then it goes on");
        assert!(new.iter().all(|value| value.starts_with("new")), "{new:?}");
        assert_sees_the_same(follower.log(), &log);
    }
}

#[test]
fn a_reader_that_was_not_beyond_a_cut_is_told_nothing() {
    let (_dir, path) = place();
    let (_writer, log) = small_log(&path);
    let reader = open_read_only(&path);
    append(&log, "one");
    let mut follower = follow(&reader);
    assert_eq!(drain(&mut follower), ["one"]);
    append(&log, "gone");
    log.truncate_to(1).unwrap();
    assert!(drain(&mut follower).is_empty());
    append(&log, "two");
    assert_eq!(drain(&mut follower), ["two"]);
}

#[test]
fn a_reader_is_told_that_the_log_has_started_over_elsewhere() {
    let (_dir, path) = place();
    let (_writer, log) = small_log(&path);
    let reader = open_read_only(&path);
    append(&log, "one");
    append(&log, "two");
    let mut follower = follow(&reader);
    assert_eq!(drain(&mut follower).len(), 2);
    log.start_over_at(1).unwrap();
    append(&log, "three");
    append(&log, "four");
    assert!(matches!(follower.fetch(), Err(Error::Truncated { to: 1, read_to: 2 })));
    assert_eq!(drain(&mut follower), ["three", "four"]);
    log.start_over_at(100).unwrap();
    assert!(matches!(follower.fetch(), Err(Error::OffsetOutOfRange { log_start: 100, .. })));
    follower.seek(100).unwrap();
    append(&log, "five");
    assert_eq!(drain(&mut follower), ["five"]);
}

#[test]
fn a_reader_that_retention_overtakes_is_told() {
    let (_dir, path) = place();
    let (_writer, log) = small_log(&path);
    let reader = open_read_only(&path);
    let mut follower = follow(&reader);
    for number in 0..60 {
        append(&log, &format!("{number}"));
    }
    assert!(!follower.fetch().unwrap().is_empty());
    log.enforce_retention().unwrap();
    let start = log.log_start_offset().unwrap();
    let error = loop {
        match follower.fetch() {
            Ok(fetched) => assert!(!fetched.is_empty()),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, Error::OffsetOutOfRange { log_start, .. } if log_start == start),
        "{error:?}"
    );
    follower.seek(start).unwrap();
    assert_eq!(drain(&mut follower).len() as i64, 60 - start);
}

#[test]
fn a_reader_is_told_that_its_topic_was_deleted_even_if_there_is_another_of_that_name() {
    for again in [false, true] {
        let (_dir, path) = place();
        let (writer, log) = small_log(&path);
        append(&log, "old");
        let reader = open_read_only(&path);
        let mut follower = follow(&reader);
        assert_eq!(drain(&mut follower), ["old"]);
        writer.delete_topic("events").unwrap();
        if again {
            let topic = writer.create_topic("events", TopicOptions::new()).unwrap();
            append(&topic.partition(0).unwrap(), "new");
            append(&topic.partition(0).unwrap(), "newer");
        }
        let told = follower.fetch_within(Duration::from_mins(1));
        assert!(matches!(told, Err(Error::NotFound(_))), "{told:?}");
        if again {
            let log = reader.topic("events").unwrap().partition(0).unwrap();
            assert_eq!(values(&log), ["new", "newer"]);
        }
    }
}

#[test]
fn a_reader_goes_on_where_a_writer_died_and_another_recovered() {
    let (_dir, path) = place();
    let (writer, log) = small_log(&path);
    let reader = open_read_only(&path);
    let mut follower = follow(&reader);
    let (mut writer, mut log) = (Some(writer), Some(log));
    for round in 0..8 {
        for number in 0..5 {
            let batch = Batch::of([Record::new().value(&format!("{round}.{number}"))]);
            log.as_ref().unwrap().append(batch, Durability::Written).unwrap();
        }
        // As if it had died in the middle of the next append.
        drop((writer.take(), log.take()));
        let mut file = OpenOptions::new().append(true).open(active(&path)).unwrap();
        let torn = std::fs::read(active(&path)).unwrap()[..50 + round].to_vec();
        file.write_all(&torn).unwrap();
        let seen = drain(&mut follower);
        assert_eq!(seen.len(), 5, "{seen:?}");
        let store = open(&path);
        log = Some(store.log("events", 0).unwrap());
        assert!(drain(&mut follower).is_empty());
        if round % 2 == 0 {
            append(log.as_ref().unwrap(), "mended");
            assert_eq!(drain(&mut follower), ["mended"]);
        }
        writer = Some(store);
        assert_sees_the_same(follower.log(), log.as_ref().unwrap());
    }
    drop(writer);
}

#[test]
fn what_fails_is_damage_only_after_a_second_behind_which_the_file_has_grown() {
    let (_dir, path) = place();
    let (_writer, log) = small_log(&path);
    let one = append(&log, "one");
    let (options, clock) = by_hand();
    let reader = options.read_only(true).open(&path).unwrap();
    let mut follower = follow(&reader);
    assert_eq!(drain(&mut follower), ["one"]);
    let whole = std::fs::read(active(&path)).unwrap();
    let file = OpenOptions::new().write(true).open(active(&path)).unwrap();
    let at = whole.len() as u64;
    let mut next = whole.clone();
    next[7] = one as u8 + 1;
    let expect_nothing = |follower: &mut Follower, clock: &Clock, now: i64| {
        clock.set(now);
        assert!(follower.fetch().unwrap().is_empty(), "at {now}");
    };

    // Not whole, however long that lasts; then zeros.
    file.write_all_at(&next[..next.len() - 1], at).unwrap();
    expect_nothing(&mut follower, &clock, START);
    expect_nothing(&mut follower, &clock, START + 60_000);
    file.write_all_at(&vec![0; 4096], at).unwrap();
    expect_nothing(&mut follower, &clock, START + 60_000);
    expect_nothing(&mut follower, &clock, START + 120_000);

    // Whole by its length, but wrong: it is on its way, for a second.
    let mut wrong = next.clone();
    *wrong.last_mut().unwrap() ^= 1;
    file.write_all_at(&wrong, at).unwrap();
    expect_nothing(&mut follower, &clock, START + 120_000);
    expect_nothing(&mut follower, &clock, START + 120_999);
    clock.set(START + 121_000);
    match follower.fetch() {
        Err(Error::Corrupt { position, .. }) => assert_eq!(position, at),
        other => panic!("{other:?}"),
    }
    assert!(follower.fetch_within(Duration::from_mins(1)).is_err(), "it is told at once");
    // It came after all.
    file.write_all_at(&next, at).unwrap();
    assert_eq!(drain(&mut follower), ["one"]);
    assert_eq!(follower.offset(), 2);
}

#[test]
fn a_durable_reader_sees_no_more_than_the_durable_end() {
    let (_dir, path) = place();
    let clock = Clock::manual(START);
    let options = Store::options().clock(clock.clone()).housekeeping(false);
    let writer = options.open(&path).unwrap();
    let log = writer.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    let reader = open_read_only(&path);
    let seen = reader.log("events", 0).unwrap();
    let mut follower = seen.follow(0, FetchOptions::new().durable_only(true)).unwrap();
    let written = |value: &str| {
        let batch = Batch::of([Record::new().value(value)]);
        log.append(batch, Durability::Written).unwrap();
    };
    written("one");
    assert!(follower.fetch().unwrap().is_empty());
    let all = seen.fetch(0, FetchOptions::new()).unwrap();
    assert_eq!((texts(&all), all.durable_end()), (vec!["one".to_owned()], 0));
    assert!(!seen.wait_for(1, Duration::ZERO).unwrap());
    log.flush().unwrap();
    written("two");
    // The watermark lags until housekeeping brings it up.
    clock.set(START + 1000);
    log.flush().unwrap();
    written("three");
    assert_eq!(drain(&mut follower), ["one", "two"]);
    assert_eq!(seen.durable_end().unwrap(), 2);
    clock.set(START + 2000);
    log.flush().unwrap();
    assert_eq!(texts(&follower.fetch_within(Duration::from_mins(1)).unwrap()), ["three"]);
}

#[test]
fn kafkas_directory_is_followed_by_its_files_alone() {
    let (_dir, path) = place();
    let (writer, log) = small_log(&path);
    for number in 0..30 {
        append(&log, &format!("{number}"));
    }
    writer.close().unwrap();
    make_kafkas(&path);
    let dir = path.join("events-0");
    let reader = open_read_only(&path);
    let mut follower = follow(&reader);
    assert_eq!(drain(&mut follower).len(), 30);
    let value = follower.log().segments().unwrap().last().unwrap().base_offset.to_string();
    // A broker appends, and rolls.
    let template = std::fs::read(active(&path)).unwrap();
    let batch = |offset: i64| {
        let mut batch = template.clone();
        batch.truncate(12 + i32::from_be_bytes(batch[8..12].try_into().unwrap()) as usize);
        batch[..8].copy_from_slice(&offset.to_be_bytes());
        batch
    };
    let mut file = OpenOptions::new().append(true).open(active(&path)).unwrap();
    file.write_all(&batch(30)).unwrap();
    assert_eq!(drain(&mut follower), [value.as_str()]);
    file.write_all(&batch(31)).unwrap();
    std::fs::write(dir.join("00000000000000000032.log"), batch(32)).unwrap();
    assert_eq!(drain(&mut follower), [value.as_str(); 2]);
    // It deletes the oldest segment, and compacts the second.
    let segments = follower.log().segments().unwrap();
    let name = |base: i64, end: &str| dir.join(format!("{base:020}.log{end}"));
    let (first, second) = (segments[0].base_offset, segments[1].base_offset);
    let cleaned = batch(second + 1);
    std::fs::rename(name(first, ""), name(first, ".deleted")).unwrap();
    std::fs::write(name(second, ".swap"), cleaned).unwrap();
    std::fs::rename(name(second, ""), name(second, ".deleted")).unwrap();
    std::fs::remove_file(name(second, ".deleted")).unwrap();
    follower.log().refresh().unwrap();
    std::fs::rename(name(second, ".swap"), name(second, "")).unwrap();
    follower.log().refresh().unwrap();
    assert_eq!(follower.log().log_start_offset().unwrap(), second);
    let fetched = follower.log().fetch(second, FetchOptions::new()).unwrap();
    let offsets: Vec<_> = fetched.records().map(|it| it.unwrap().offset()).collect();
    assert_eq!(offsets, [second + 1]);
    // It goes on in a segment that begins behind a gap.
    std::fs::write(name(40, ""), batch(41)).unwrap();
    assert_eq!(drain(&mut follower), [value.as_str()]);
    assert_eq!(follower.offset(), 42);
}

#[test]
fn a_reader_sees_that_kafka_has_taken_the_directory_over() {
    let (_dir, path) = place();
    let (writer, log) = small_log(&path);
    append(&log, "one");
    // Under a later term than Kafka's.
    drop((writer, log));
    let store = open(&path);
    append(&store.log("events", 0).unwrap(), "two");
    store.close().unwrap();
    let reader = open_read_only(&path);
    let mut follower = follow(&reader);
    assert_eq!(drain(&mut follower), ["one", "two"]);
    std::fs::write(path.join("replication-offset-checkpoint"), "0\n1\nevents 0 2\n").unwrap();
    std::fs::write(path.join("events-0/leader-epoch-checkpoint"), "0\n1\n0 2\n").unwrap();
    let mut batch = std::fs::read(active(&path)).unwrap();
    batch.truncate(12 + i32::from_be_bytes(batch[8..12].try_into().unwrap()) as usize);
    batch[..8].copy_from_slice(&2_i64.to_be_bytes());
    let mut file = OpenOptions::new().append(true).open(active(&path)).unwrap();
    file.write_all(&batch).unwrap();
    assert_eq!(drain(&mut follower), ["one"]);
}
