//! Compaction as programs see it.

use std::sync::atomic::{AtomicU64, Ordering};

use strandline::{
    Batch, CleanerOptions, CleanupPolicy, Clock, Durability, Error, FetchOptions, Log, LogConfig,
    Record, Store, TopicOptions,
};

use super::help::{START, values};

/// A store with a topic of small segments.
fn store(dir: &std::path::Path, clock: &Clock, cleaner: CleanerOptions) -> (Store, Log) {
    let options = Store::options().clock(clock.clone()).housekeeping(false).cleaner(cleaner);
    let store = options.open(dir.join("data")).unwrap();
    let config = LogConfig::new().segment_bytes(400).cleanup_policy(CleanupPolicy::Compact);
    let topic = store.topic("t");
    let topic = topic
        .unwrap_or_else(|_| store.create_topic("t", TopicOptions::new().config(config)).unwrap());
    (store, topic.partition(0).unwrap())
}

fn append(log: &Log, key: &str, value: &str) {
    log.append(Batch::of([Record::new().key(key).value(value)]), Durability::Written).unwrap();
}

/// Appends ten values of each of three keys.
fn fill(log: &Log) {
    for n in 0..30 {
        append(log, &format!("k{}", n % 3), &format!("value number {n}"));
    }
}

fn checkpoint(store: &Store) -> String {
    std::fs::read_to_string(store.path().join("cleaner-offset-checkpoint")).unwrap_or_default()
}

#[test]
fn housekeeping_cleans_what_is_dirty_and_notes_how_far() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new());
    fill(&log);
    let before = log.cleanness().unwrap();
    assert!(before.is_compacted && before.dirty_ratio > 0.9 && before.cleaned_to == 0);
    clock.set(START + 20_000);
    store.run_housekeeping(START + 20_000).unwrap();
    let after = log.cleanness().unwrap();
    assert!(after.cleaned_to > 20 && after.total.reclaimed_bytes() > 0, "{after:?}");
    assert_eq!(after.reclaimed_bytes, after.total.reclaimed_bytes());
    assert_eq!(checkpoint(&store), format!("0\n1\nt 0 {}\n", after.cleaned_to));
    assert_eq!(values(&log).last().unwrap(), "value number 29");
    assert!(values(&log).len() < 15, "{:?}", values(&log));
    store.close().unwrap();

    let (again, log) = self::store(dir.path(), &clock, CleanerOptions::new());
    let reopened = log.cleanness().unwrap();
    assert_eq!((reopened.cleaned_to, reopened.dirty_ratio), (after.cleaned_to, 0.0));
    assert_eq!(reopened.reclaimed_bytes, after.reclaimed_bytes, "the manifest has it");
    assert_eq!(again.clean("t").unwrap().segments_before, 0, "nothing is dirty");
}

#[test]
fn a_disabled_cleaner_cleans_by_hand_only() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new().enabled(false));
    fill(&log);
    store.run_housekeeping(START + 20_000).unwrap();
    assert_eq!((values(&log).len(), checkpoint(&store)), (30, String::new()));
    let told = AtomicU64::new(0);
    let cleaned =
        store.clean_watched("t", |at| _ = told.fetch_max(at.bytes_done, Ordering::Relaxed));
    let cleaned = cleaned.unwrap();
    assert!(cleaned.records_after < cleaned.records_before && cleaned.keys == 3, "{cleaned:?}");
}

#[test]
fn a_reader_that_holds_what_was_replaced_finishes_on_it() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new());
    fill(&log);
    let first = log.fetch(0, FetchOptions::new()).unwrap();
    store.clean("t").unwrap();
    let path = &log.segments().unwrap()[0].path;
    assert!(path.exists() && !path.with_extension("log.swap").exists());
    assert!(first.records().map(|record| record.unwrap().offset()).eq(0..first.next_offset()));
    // Offsets that are gone lead to what comes behind them.
    let next = log.fetch(0, FetchOptions::new()).unwrap();
    assert!(next.records().next().unwrap().unwrap().offset() > 0);
}

#[test]
fn a_cut_below_what_was_cleaned_is_cleaned_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new());
    fill(&log);
    store.clean("t").unwrap();
    let cleaned_to = log.cleanness().unwrap().cleaned_to;
    log.truncate_to(cleaned_to - 2).unwrap();
    let lowered = log.cleanness().unwrap().cleaned_to;
    assert!(lowered <= cleaned_to - 2, "{lowered}, not {cleaned_to}");
    assert!(checkpoint(&store).ends_with(&format!("t 0 {lowered}\n")));
    fill(&log);
    store.clean("t").unwrap();
    log.roll().unwrap();
    store.clean("t").unwrap();
    let last = ["value number 27", "value number 28", "value number 29"];
    assert_eq!(values(&log), last);
}

#[test]
fn memory_for_few_keys_takes_more_rounds_and_leaves_the_same() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new().memory_bytes(100));
    for n in 0..200 {
        append(&log, &format!("key {:04}", n % 50), &format!("{n}"));
    }
    log.roll().unwrap();
    let cleaned = store.clean("t").unwrap();
    assert!(cleaned.records_before > 400, "in several rounds: {cleaned:?}");
    assert_eq!(values(&log), (150..200).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn damage_stops_the_cleaning_of_that_log_alone_and_is_reported() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new());
    let config = log.config().clone();
    let other = store.create_topic("u", TopicOptions::new().config(config)).unwrap();
    let other = other.partition(0).unwrap();
    fill(&log);
    fill(&other);
    store.run_housekeeping(START).unwrap();
    let path = log.segments().unwrap()[1].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[80] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = store.run_housekeeping(START + 20_000).unwrap_err();
    assert!(matches!(error, Error::Corrupt { offsets: Some(_), .. }), "{error}");
    assert!(store.warnings().iter().any(|it| it.contains("t-0: not cleaned")));
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is left as it is");
    assert!(log.cleanness().unwrap().stopped_by.is_some());
    assert_eq!(other.cleanness().unwrap().stopped_by, None);
    assert!(values(&other).len() < 15);
    store.run_housekeeping(START + 40_000).unwrap();
    assert!(matches!(store.clean("t"), Err(Error::Corrupt { .. })), "by hand it is tried again");
}

#[test]
fn a_flipped_epoch_which_no_batch_s_checksum_covers_is_not_written_anew() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new());
    fill(&log);
    store.run_housekeeping(START).unwrap();
    let path = log.segments().unwrap()[0].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[12] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(store.clean("t"), Err(Error::Corrupt { .. })));
}

#[test]
fn a_record_without_a_key_and_a_log_that_is_not_compacted_are_refused() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let (store, log) = store(dir.path(), &clock, CleanerOptions::new());
    let keyless = log.append(Batch::of([Record::new().value("v")]), Durability::Written);
    assert!(matches!(keyless, Err(Error::InvalidRecord(_))));
    store.create_topic("plain", TopicOptions::new()).unwrap();
    assert!(matches!(store.clean("plain"), Err(Error::PolicyViolation(_))));
    assert!(matches!(store.clean("absent"), Err(Error::NotFound(_))));
}
