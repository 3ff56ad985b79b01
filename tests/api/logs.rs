//! A log through its handle: what is appended comes back, cut, deleted, over a reopening.

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::{
    Batch, Durability, Error, FetchOptions, Isolation, LogConfig, Record, TopicOptions,
};

use crate::help::{START, append, open, open_read_only, place, values};

#[test]
fn keys_values_headers_and_times_come_back_as_they_were() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    let headers = [("a", Some(&b"1"[..])), ("a", None)];
    let mut batch = Batch::new();
    batch.push(Record::new().key("k").value("v").headers(&headers).timestamp(START - 5));
    batch.push(Record::new());
    batch.push(Record::new().key("").value("").timestamp(-7_000));
    let appended = log.append(batch, Durability::Written).unwrap();
    assert_eq!((appended.base_offset, appended.last_offset), (0, 2));
    assert_eq!((appended.max_timestamp, appended.duplicate), (Some(START), false));
    store.close().unwrap();

    let log = open_read_only(&path).log("events", 0).unwrap();
    let fetched = log.fetch(0, FetchOptions::new()).unwrap();
    let records: Vec<_> = fetched.records().map(Result::unwrap).collect();
    let seen: Vec<_> = records.iter().map(|r| (r.offset(), r.timestamp(), r.key())).collect();
    let wanted = [
        (0, Some(START - 5), Some(&b"k"[..])),
        (1, Some(START), None),
        (2, Some(-7_000), Some(&b""[..])),
    ];
    assert_eq!(seen, wanted);
    assert_eq!(records[0].headers().count(), 2);
    assert_eq!((records[1].value(), records[2].value()), (None, Some(&b""[..])));
}

#[test]
fn zeros_are_written_ahead_only_while_appends_are_synced_and_a_close_cuts_them_off() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    // Bytes of the file, and of batches in it.
    let sizes = || {
        let segment = log.segments().unwrap().pop().unwrap();
        (std::fs::metadata(&segment.path).unwrap().len(), segment.size_bytes)
    };
    for _ in 0..3 {
        append(&log, "synced");
    }
    let (file, batches) = sizes();
    assert!(file > batches && file <= 8192, "{file} {batches}");
    for _ in 0..500 {
        log.append(Batch::of([Record::new().value("written")]), Durability::Written).unwrap();
    }
    let (file, batches) = sizes();
    assert!(batches > 20_000);
    assert_eq!(file, batches);
    append(&log, "synced");
    append(&log, "synced");
    append(&log, "synced");
    let (file, batches) = sizes();
    assert!(file > batches, "{file} {batches}");
    let path_of_segment = log.segments().unwrap().pop().unwrap().path;
    store.close().unwrap();
    assert_eq!(std::fs::metadata(path_of_segment).unwrap().len(), batches);
    let log = open_read_only(&path).log("events", 0).unwrap();
    assert_eq!(log.log_end_offset().unwrap(), 506);
}

#[test]
fn offsets_that_are_not_there_are_out_of_range() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    for value in ["one", "two", "three"] {
        append(&log, value);
    }
    log.delete_records(Some(1)).unwrap();
    for wanted in [-1, 0, 4] {
        let error = log.fetch(wanted, FetchOptions::new()).unwrap_err();
        assert!(
            matches!(error, Error::OffsetOutOfRange { wanted: of, log_start: 1, log_end: 3 }
                if of == wanted),
            "{error:?}"
        );
    }
    assert!(log.fetch(3, FetchOptions::new()).unwrap().is_empty());
}

#[test]
fn what_is_cut_off_stays_cut_off_and_the_log_goes_on_there() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    for value in ["one", "two", "three"] {
        append(&log, value);
    }
    assert!(log.truncate_to(1).unwrap());
    assert_eq!(values(&log), ["one"]);
    append(&log, "another two");
    drop((store, log));
    let store = open(&path);
    let log = store.log("events", 0).unwrap();
    assert_eq!(values(&log), ["one", "another two"]);
    for refused in [log.truncate_to(-1).map(drop), log.start_over_at(-1)] {
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    assert_eq!(values(&log), ["one", "another two"]);
    log.start_over_at(100).unwrap();
    assert_eq!(append(&log, "far"), 100);
    store.close().unwrap();
    let log = open(&path).log("events", 0).unwrap();
    assert_eq!((log.log_start_offset().unwrap(), log.log_end_offset().unwrap()), (100, 101));
    assert_eq!(values(&log), ["far"]);
}

#[test]
fn deleted_records_do_not_come_back() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    for value in ["one", "two", "three"] {
        append(&log, value);
    }
    assert_eq!(log.delete_records(Some(2)).unwrap(), 2);
    drop((store, log));
    let store = open(&path);
    assert_eq!(values(&store.log("events", 0).unwrap()), ["three"]);
    assert_eq!(store.log("events", 0).unwrap().delete_records(None).unwrap(), 3);
    store.close().unwrap();
    let store = open(&path);
    assert_eq!(values(&store.log("events", 0).unwrap()), [""; 0]);
    assert_eq!(append(&store.log("events", 0).unwrap(), "four"), 3);
}

#[test]
fn segments_roll_by_the_topics_settings_and_the_log_is_one() {
    let (_dir, path) = place();
    let store = open(&path);
    let config = LogConfig::new().segment_bytes(200);
    let topic = store.create_topic("events", TopicOptions::new().config(config)).unwrap();
    let log = topic.partition(0).unwrap();
    let wanted: Vec<_> = (0..20).map(|number| format!("value {number}")).collect();
    for value in &wanted {
        append(&log, value);
    }
    assert!(log.segments().unwrap().len() >= 9);
    assert_eq!(values(&log), wanted);
    let too_large = "x".repeat(300);
    let batch = Batch::of([Record::new().value(&too_large)]);
    let error = log.append(batch, Durability::Written).unwrap_err();
    assert!(matches!(error, Error::BatchTooLarge { .. }), "{error:?}");
    store.close().unwrap();
    let log = open(&path).log("events", 0).unwrap();
    assert_eq!(values(&log), wanted);
    assert_eq!(log.offset_for_time(START, Isolation::default()).unwrap().unwrap().offset, 0);
}

#[test]
fn markers_that_are_imported_together_each_end_their_own_transaction() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = |name| store.create_topic(name, TopicOptions::new()).unwrap().partition(0).unwrap();
    let (from, to) = (log("from"), log("to"));
    for (id, value) in [(1, "dropped"), (2, "kept")] {
        let batch = Batch::of([Record::new().value(value)])
            .producer(ProducerId(id), ProducerEpoch(0), Sequence(0))
            .transactional(true);
        from.append(batch, Durability::Written).unwrap();
    }
    for (id, end) in [(1, TransactionEnd::Abort), (2, TransactionEnd::Commit)] {
        let producer = (ProducerId(id), ProducerEpoch(0));
        from.end_transaction(producer, end, 0, Durability::Written).unwrap();
    }
    let all = from.fetch(0, FetchOptions::new().isolation(Isolation::LogEnd)).unwrap();
    to.import(all.bytes(), Durability::Synced).unwrap();
    for log in [from, to] {
        let committed = FetchOptions::new().isolation(Isolation::ReadCommitted);
        let fetched = log.fetch(0, committed).unwrap();
        let seen: Vec<_> = fetched.records().map(|record| record.unwrap().value()).collect();
        assert_eq!(seen, [Some(&b"kept"[..])], "{}", log.topic());
    }
}

#[test]
fn what_happened_is_known_after_the_manifest_was_replaced_for_its_dead_entries() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    for _ in 0..60 {
        append(&log, "value");
    }
    // Each is two entries, of which those of the last one live.
    for before in 1..60 {
        log.delete_records(Some(before)).unwrap();
        let seen = open_read_only(&path).log("events", 0).unwrap().log_start_offset().unwrap();
        assert_eq!(seen, before);
    }
    drop((log, store));
    let store = open(&path);
    let log = store.log("events", 0).unwrap();
    assert_eq!(log.log_start_offset().unwrap(), 59);
    assert_eq!(values(&log).len(), 1);
}
