//! What is done now and then: by hand, with a clock that is set, and by the thread.

use std::time::Duration;

use strandline::{Batch, Clock, Durability, Log, LogConfig, Record, Store, TopicOptions};

use crate::help::{MINUTE, START, append, by_hand, names, place, text, tree};

fn one_log(store: &Store, config: LogConfig) -> Log {
    let topic = store.create_topic("events", TopicOptions::new().config(config)).unwrap();
    topic.partition(0).unwrap()
}

/// A log of five segments, a record in each, a minute apart.
fn five_segments(store: &Store, config: LogConfig, clock: &Clock) -> Log {
    let log = one_log(store, config);
    for number in 0..5 {
        if number > 0 {
            log.roll().unwrap();
        }
        let time = START + number * MINUTE;
        clock.set(time);
        let batch = Batch::of([Record::new().value("x").timestamp(time)]);
        log.append(batch, Durability::Written).unwrap();
    }
    log
}

#[test]
fn retention_deletes_old_segments_and_their_files_a_while_later() {
    let (_dir, path) = place();
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    let config = LogConfig::new().retention(Some(Duration::from_mins(3)));
    let log = five_segments(&store, config, &clock);
    let now = START + 5 * MINUTE;
    clock.set(now);
    store.run_housekeeping(now).unwrap();
    assert_eq!(log.log_start_offset().unwrap(), 2, "of ages 5, 4, 3, 2, 1 two are above 3");
    let deleted = || {
        let names = names(&path.join("events-0"));
        names.iter().filter(|name| name.ends_with(".log.deleted")).count()
    };
    assert_eq!(deleted(), 2);
    store.run_housekeeping(now + 59_999).unwrap();
    assert_eq!(deleted(), 2);
    store.run_housekeeping(now + 71_000).unwrap();
    assert_eq!(deleted(), 0);
}

#[test]
fn retention_reaches_logs_that_nobody_uses_and_touches_none_that_keeps_all() {
    let (_dir, path) = place();
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    let config = LogConfig::new().retention(Some(Duration::from_mins(3)));
    five_segments(&store, config.clone(), &clock);
    let kept = store.create_topic("kept", TopicOptions::new().config(config)).unwrap();
    append(&kept.partition(0).unwrap(), "young");
    store.close().unwrap();

    let (options, clock) = by_hand();
    clock.set(START);
    let store = options.open(&path).unwrap();
    let before = tree(&path.join("kept-0"));
    clock.set(START + 5 * MINUTE - 1);
    store.run_housekeeping(START + 5 * MINUTE - 1).unwrap();
    assert_eq!(tree(&path.join("kept-0")), before);
    let there = store.log("events", 0).unwrap();
    assert!(there.log_start_offset().unwrap() > 0, "old segments are still there");
}

#[test]
fn nothing_is_deleted_unless_it_is_asked_for() {
    let (_dir, path) = place();
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    let log = five_segments(&store, LogConfig::new(), &clock);
    store.run_housekeeping(START + (1 << 40)).unwrap();
    assert_eq!((log.log_start_offset().unwrap(), log.segments().unwrap().len()), (0, 5));
}

#[test]
fn deleted_records_free_their_segments_at_the_next_run_and_are_in_kafkas_checkpoint() {
    let (_dir, path) = place();
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    let log = five_segments(&store, LogConfig::new(), &clock);
    log.append(Batch::of([Record::new().value("y")]), Durability::Synced).unwrap();
    assert_eq!(log.delete_records(Some(5)).unwrap(), 5);
    store.run_housekeeping(START + 10 * MINUTE).unwrap();
    assert_eq!(log.segments().unwrap().len(), 1);
    store.run_housekeeping(START + 12 * MINUTE).unwrap();
    assert_eq!(text(path.join("log-start-offset-checkpoint")), "0\n1\nevents 0 5\n");
}

#[test]
fn the_recovery_point_is_never_above_what_is_sealed_while_the_store_is_open() {
    let (_dir, path) = place();
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    five_segments(&store, LogConfig::new(), &clock);
    store.run_housekeeping(START + 10 * MINUTE).unwrap();
    let recovery = || text(path.join("recovery-point-offset-checkpoint"));
    assert_eq!(recovery(), "0\n1\nevents 0 4\n");
    let replication = text(path.join("replication-offset-checkpoint"));
    assert!(replication.starts_with("0\n2\nevents 0 5\nstrandline-opening 0 "), "{replication}");
    store.close().unwrap();
    assert_eq!(recovery(), "0\n1\nevents 0 5\n");
}

#[test]
fn checkpoints_that_say_it_already_are_not_written_again() {
    let (_dir, path) = place();
    let (options, _clock) = by_hand();
    let store = options.open(&path).unwrap();
    append(&one_log(&store, LogConfig::new()), "one");
    store.run_housekeeping(START + 10 * MINUTE).unwrap();
    let before = tree(&path);
    store.run_housekeeping(START + 20 * MINUTE).unwrap();
    assert_eq!(tree(&path), before);
}

#[test]
fn what_is_written_is_flushed_when_its_time_has_come() {
    let (_dir, path) = place();
    let (options, _clock) = by_hand();
    let store = options.open(&path).unwrap();
    let log = one_log(&store, LogConfig::new().flush_time(Duration::from_secs(10)));
    store.run_housekeeping(START).unwrap();
    log.append(Batch::of([Record::new().value("x")]), Durability::Written).unwrap();
    store.run_housekeeping(START + 1000).unwrap();
    assert_eq!(log.durable_end().unwrap(), 0);
    store.run_housekeeping(START + 12_000).unwrap();
    assert_eq!(log.durable_end().unwrap(), 1);
}

#[test]
fn a_clock_that_jumps_ahead_makes_nothing_old() {
    let (_dir, path) = place();
    let store = Store::options().housekeeping(false).open(&path).unwrap();
    let log = one_log(&store, LogConfig::new().retention(Some(Duration::from_secs(1))));
    append(&log, "one");
    // What a wall clock that was set ten years forward would say.
    store.run_housekeeping(Clock::wall().now_ms() + 10 * 365 * 24 * 60 * MINUTE).unwrap();
    assert_eq!(log.log_start_offset().unwrap(), 0);
    assert!(store.warnings().iter().any(|why| why.contains("clock")), "{:?}", store.warnings());
}

#[test]
fn the_thread_seals_what_was_rolled_away_from_without_being_asked() {
    let (_dir, path) = place();
    let store = Store::open(&path).unwrap();
    let log = one_log(&store, LogConfig::new());
    append(&log, "one");
    let manifest = || path.join("events-0/segments.manifest").metadata().unwrap().len();
    let before = manifest();
    log.roll().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while manifest() == before {
        assert!(std::time::Instant::now() < deadline, "it was never sealed");
        std::thread::yield_now();
    }
    store.close().unwrap();
}
