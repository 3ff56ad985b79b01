//! Topics: made, listed, described, deleted, found again.

use std::time::Duration;

use strandline::{Error, LogConfig, Store, TopicId, TopicOptions};

use crate::help::{append, by_hand, names, open, place, text, values};

#[test]
fn a_topic_is_there_again_with_its_id_settings_and_records() {
    let (_dir, path) = place();
    let store = open(&path);
    let mut config = LogConfig::new().segment_bytes(1 << 20).retention(Some(Duration::ZERO));
    config.set("a.setting.of.tomorrow", "50% = half\nof it").unwrap();
    let options = TopicOptions::new().partitions(3).config(config.clone());
    let topic = store.create_topic("events", options).unwrap();
    let id = topic.id().unwrap();
    append(&topic.partition(2).unwrap(), "one");
    store.close().unwrap();

    let store = open(&path);
    let topic = store.topic("events").unwrap();
    assert_eq!((topic.name(), topic.id(), topic.partitions()), ("events", Some(id), 3));
    assert_eq!(topic.partition_numbers(), [0, 1, 2]);
    assert_eq!(topic.config(), &config);
    assert_eq!(values(&topic.partition(2).unwrap()), ["one"]);
    assert_eq!(values(&topic.partition(0).unwrap()), [""; 0]);
    let metadata = text(path.join("events-1/partition.metadata"));
    assert_eq!(metadata, format!("version: 0\ntopic_id: {id}"));
    assert_eq!(store.warnings(), [""; 0]);
}

#[test]
fn topics_and_partitions_are_listed_in_order() {
    let (_dir, path) = place();
    let store = open(&path);
    for (name, partitions) in [("b", 2), ("a-1", 1), ("a", 11)] {
        store.create_topic(name, TopicOptions::new().partitions(partitions)).unwrap();
    }
    let listed = |store: &Store| {
        let topics = store.topics().unwrap();
        topics.iter().map(|topic| topic.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&store), ["a", "a-1", "b"]);
    let partitions = store.partitions().unwrap();
    assert_eq!(partitions.len(), 14);
    assert_eq!(partitions[10..12], [("a".into(), 10), ("a-1".into(), 0)]);
    drop(store);
    assert_eq!(listed(&open(&path)), ["a", "a-1", "b"]);
}

#[test]
fn all_handles_of_a_partition_are_one_log() {
    let (_dir, path) = place();
    let store = open(&path);
    let topic = store.create_topic("events", TopicOptions::new()).unwrap();
    append(&topic.partition(0).unwrap(), "one");
    assert_eq!(store.clone().log("events", 0).unwrap().log_end_offset().unwrap(), 1);
}

#[test]
fn what_is_not_there_is_not_found() {
    let (_dir, path) = place();
    let store = open(&path);
    let topic = store.create_topic("events", TopicOptions::new()).unwrap();
    for (error, what) in [
        (store.topic("other").unwrap_err(), "topic other does not exist"),
        (store.log("other", 0).unwrap_err(), "topic other does not exist"),
        (topic.partition(1).unwrap_err(), "partition events-1 does not exist"),
        (store.delete_topic("other").unwrap_err(), "topic other does not exist"),
    ] {
        assert!(matches!(error, Error::NotFound(_)), "{error:?}");
        assert_eq!((error.to_string().as_str(), error.kafka_code()), (what, 3));
    }
}

#[test]
fn a_topic_is_not_made_twice_nor_under_a_name_that_is_too_like_another() {
    let (_dir, path) = place();
    let store = open(&path);
    let id = store.create_topic("a.b", TopicOptions::new()).unwrap().id().unwrap();
    let exists = store.create_topic("a.b", TopicOptions::new()).unwrap_err();
    assert_eq!(
        (exists.to_string().as_str(), exists.kafka_code()),
        ("topic a.b exists already", 36)
    );
    let collides = store.create_topic("a_b", TopicOptions::new()).unwrap_err();
    assert!(matches!(&collides, Error::Invalid(why) if why.contains("a.b")), "{collides}");
    let taken = store.create_topic("c", TopicOptions::new().id(id)).unwrap_err();
    assert!(matches!(taken, Error::Exists(_)), "{taken}");
    assert_eq!(store.topics().unwrap().len(), 1);
}

#[test]
fn names_and_settings_that_cannot_be_are_refused_and_leave_nothing() {
    let (_dir, path) = place();
    let store = open(&path);
    let before = names(&path);
    let long = "x".repeat(250);
    let reserved = ["strandline-opening", "__cluster_metadata"];
    for name in ["", ".", "..", "a/b", "a b", "ü", "a\n", long.as_str()].into_iter().chain(reserved)
    {
        let error = store.create_topic(name, TopicOptions::new()).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{name:?}: {error}");
    }
    let longest = &long[..249];
    for options in [
        TopicOptions::new().partitions(0),
        TopicOptions::new().partitions(u32::MAX),
        TopicOptions::new().config(LogConfig::new().segment_bytes(1)),
        TopicOptions::new().id(TopicId::from_bytes([0; 16])),
        TopicOptions::new().partitions(100_001),
    ] {
        let error = store.create_topic(longest, options.clone()).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{options:?}: {error}");
    }
    assert_eq!(names(&path), before);
    let topic = store.create_topic(longest, TopicOptions::new().partitions(2)).unwrap();
    append(&topic.partition(1).unwrap(), "one");
    store.delete_topic(longest).unwrap();
}

#[test]
fn an_id_that_another_system_gave_is_kept() {
    let (_dir, path) = place();
    let id: TopicId = "gMflXnwDS2K7CfvVf3do3Q".parse().unwrap();
    let store = open(&path);
    store.create_topic("events", TopicOptions::new().id(id)).unwrap();
    drop(store);
    assert_eq!(open(&path).topic("events").unwrap().id(), Some(id));
}

#[test]
fn a_deleted_topic_is_gone_at_once_and_its_files_after_the_delay() {
    let (_dir, path) = place();
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    let config = LogConfig::new().file_delete_delay(Duration::from_secs(5));
    let options = TopicOptions::new().partitions(2).config(config);
    let topic = store.create_topic("events", options).unwrap();
    let log = topic.partition(0).unwrap();
    append(&log, "one");
    let fetched = log.fetch(0, strandline::FetchOptions::new()).unwrap();

    store.delete_topic("events").unwrap();
    assert!(store.topics().unwrap().is_empty());
    assert!(matches!(topic.partition(0), Err(Error::NotFound(_))));
    assert!(matches!(log.log_end_offset(), Err(Error::Closed)));
    assert!(matches!(log.fetch(0, strandline::FetchOptions::new()), Err(Error::Closed)));
    assert_eq!(fetched.records().count(), 1, "who has read keeps what he read");

    let waiting = || names(&path).iter().filter(|name| name.ends_with("-delete")).count();
    assert_eq!(waiting(), 2);
    let now = clock.now_ms();
    store.run_housekeeping(now + 4_999).unwrap();
    assert_eq!(waiting(), 2);
    store.run_housekeeping(now + 20_000).unwrap();
    assert_eq!(waiting(), 0);
}

#[test]
fn a_topic_that_is_made_again_is_another() {
    let (_dir, path) = place();
    let store = open(&path);
    let old = store.create_topic("events", TopicOptions::new()).unwrap();
    append(&old.partition(0).unwrap(), "old");
    store.delete_topic("events").unwrap();
    let new = store.create_topic("events", TopicOptions::new()).unwrap();
    assert_ne!(old.id(), new.id());
    append(&new.partition(0).unwrap(), "new");
    assert_eq!(values(&store.log("events", 0).unwrap()), ["new"]);
    assert!(matches!(old.partition(0), Err(Error::NotFound(_))), "a handle of the old one");
    store.close().unwrap();
    let store = open(&path);
    assert_eq!(values(&store.log("events", 0).unwrap()), ["new"]);
    assert_eq!(store.warnings(), [""; 0]);
}

#[test]
fn who_appends_to_a_topic_that_is_deleted_is_told_and_nothing_comes_of_it() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    std::thread::scope(|scope| {
        let appender = scope.spawn(|| {
            loop {
                let batch = strandline::Batch::of([strandline::Record::new().value("x")]);
                if let Err(error) = log.append(batch, strandline::Durability::Synced) {
                    return error;
                }
            }
        });
        while log.log_end_offset().unwrap() < 3 {
            std::thread::yield_now();
        }
        store.delete_topic("events").unwrap();
        store.create_topic("events", TopicOptions::new()).unwrap();
        let error = appender.join().unwrap();
        assert!(matches!(error, Error::Closed | Error::Poisoned(_)), "{error:?}");
    });
    assert_eq!(store.log("events", 0).unwrap().log_end_offset().unwrap(), 0);
}
