//! Stores that are open for reading: beside a writer, and on what Kafka wrote.

use strandline::{Batch, Durability, Error, Record, Store, TopicOptions};

use crate::help::{
    MINUTE, append, by_hand, closed_store, make_kafkas, names, open, open_read_only, place, tree,
    values,
};

#[test]
fn a_reader_beside_a_writer_writes_nothing_and_sees_what_it_looks_for_again() {
    let (_dir, path) = place();
    let writer = open(&path);
    let log = writer.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    append(&log, "one");

    let before = tree(&path);
    let reader = open_read_only(&path);
    let seen = reader.topic("events").unwrap().partition(0).unwrap();
    assert_eq!(values(&seen), ["one"]);
    assert!(reader.is_read_only() && !writer.is_read_only());
    assert_eq!(tree(&path), before);

    append(&log, "two");
    writer.create_topic("later", TopicOptions::new()).unwrap();
    let before = tree(&path);
    seen.refresh().unwrap();
    assert_eq!(values(&seen), ["one", "two"]);
    assert_eq!(reader.topics().unwrap().len(), 2);
    assert_eq!(values(&reader.log("later", 0).unwrap()), [""; 0]);
    reader.close().unwrap();
    assert_eq!(tree(&path), before);
}

#[test]
fn a_reader_is_told_that_it_cannot_write() {
    let (_dir, path) = place();
    closed_store(&path);
    let before = tree(&path);
    let store = open_read_only(&path);
    let log = store.log("events", 0).unwrap();
    let batch = Batch::of([Record::new().value("x")]);
    let results = [
        store.create_topic("a", TopicOptions::new()).map(drop),
        store.delete_topic("events"),
        log.append(batch, Durability::Written).map(drop),
        log.flush().map(drop),
        log.roll().map(drop),
        log.truncate_to(0).map(drop),
        log.delete_records(None).map(drop),
        log.enforce_retention().map(drop),
    ];
    for (at, result) in results.into_iter().enumerate() {
        assert!(matches!(result, Err(Error::ReadOnly)), "{at}: {result:?}");
    }
    store.run_housekeeping(i64::MAX).unwrap();
    store.close().unwrap();
    assert_eq!(tree(&path), before);
}

#[test]
fn a_reader_follows_a_topic_that_is_deleted_and_made_again() {
    let (_dir, path) = place();
    let writer = open(&path);
    let topic = writer.create_topic("events", TopicOptions::new()).unwrap();
    append(&topic.partition(0).unwrap(), "old");
    let reader = open_read_only(&path);
    assert_eq!(values(&reader.log("events", 0).unwrap()), ["old"]);
    writer.delete_topic("events").unwrap();
    assert!(matches!(reader.topic("events"), Err(Error::NotFound(_))));
    let topic = writer.create_topic("events", TopicOptions::new()).unwrap();
    append(&topic.partition(0).unwrap(), "new");
    assert_eq!(values(&reader.topic("events").unwrap().partition(0).unwrap()), ["new"]);
}

#[test]
fn a_directory_that_only_kafka_wrote_is_read_but_not_written() {
    let (_dir, path) = place();
    closed_store(&path);
    make_kafkas(&path);
    let before = tree(&path);
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(&error, Error::NeedsAdopt(at) if *at == path), "{error:?}");
    let store = open_read_only(&path);
    let topic = store.topic("events").unwrap();
    assert_eq!(topic.partition_numbers(), [0]);
    let metadata = std::fs::read_to_string(path.join("events-0/partition.metadata")).unwrap();
    assert!(metadata.ends_with(&topic.id().unwrap().to_string()));
    assert_eq!(values(&topic.partition(0).unwrap()), ["one"]);
    assert_eq!(store.warnings(), [""; 0]);
    store.close().unwrap();
    assert_eq!(tree(&path), before, "not even a lock file");
}

#[test]
fn each_thing_that_kafka_makes_is_enough_to_ask_for_an_adoption() {
    for name in [
        "meta.properties",
        "replication-offset-checkpoint",
        "recovery-point-offset-checkpoint",
        ".kafka_cleanshutdown",
        "events-0/",
        "__cluster_metadata-0/",
        "events-0.7d304678b7f04b9493a911561a40f920-stray/",
    ] {
        let (_dir, path) = place();
        std::fs::create_dir(&path).unwrap();
        match name.strip_suffix('/') {
            Some(name) => std::fs::create_dir(path.join(name)).unwrap(),
            None => std::fs::write(path.join(name), "").unwrap(),
        }
        let result = Store::open(&path);
        assert!(matches!(result, Err(Error::NeedsAdopt(_))), "{name}: {result:?}");
        assert_eq!(names(&path).len(), 1, "{name}");
    }
}

#[test]
fn an_adopted_store_removes_what_it_deleted_and_nothing_that_kafka_set_aside() {
    let (_dir, path) = place();
    closed_store(&path);
    make_kafkas(&path);
    let unique = "7d304678b7f04b9493a911561a40f920";
    let aside = ["delete", "future", "stray"].map(|why| format!("gone-0.{unique}-{why}"));
    for name in &aside {
        std::fs::create_dir(path.join(name)).unwrap();
        std::fs::write(path.join(name).join("00000000000000000000.log"), "records").unwrap();
    }
    let (options, clock) = by_hand();
    let store = options.adopt(true).open(&path).unwrap();
    append(&store.log("events", 0).unwrap(), "two");
    store.delete_topic("events").unwrap();
    let stay = names(&path).into_iter().filter(|name| name.contains(".7d304678"));
    assert_eq!(stay.count(), 3);
    store.run_housekeeping(clock.now_ms() + 10 * MINUTE).unwrap();
    store.close().unwrap();
    let left: Vec<_> = names(&path).into_iter().filter(|name| name.contains("-0")).collect();
    assert_eq!(left, aside);
    for name in &aside {
        assert_eq!(names(&path.join(name)), ["00000000000000000000.log"]);
    }
}

#[test]
fn kafkas_own_directories_are_no_topics_and_partitions_may_be_missing() {
    let (_dir, path) = place();
    let unique = "7d304678b7f04b9493a911561a40f920";
    let (deleted, future) = (format!("gone-0.{unique}-delete"), format!("wide-7.{unique}-future"));
    let stray = format!("lost-0.{unique}-stray");
    for name in ["__cluster_metadata-0", "__consumer_offsets-49", "wide-12", "wide-3", "a-b-0"] {
        std::fs::create_dir_all(path.join(name)).unwrap();
    }
    for name in [&deleted, &future, &stray] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    let store = open_read_only(&path);
    let wanted = [("__consumer_offsets", 49), ("a-b", 0), ("wide", 3), ("wide", 12)];
    let wanted = wanted.map(|(topic, partition)| (topic.to_owned(), partition));
    assert_eq!(store.partitions().unwrap(), wanted);
    let wide = store.topic("wide").unwrap();
    assert_eq!((wide.partitions(), wide.partition_numbers(), wide.id()), (2, vec![3, 12], None));
    assert!(matches!(wide.partition(0), Err(Error::NotFound(_))));
    let warnings = store.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains(&stray), "{warnings:?}");
}

#[test]
fn directories_of_nobody_are_left_alone_with_one_warning() {
    let (_dir, path) = place();
    for name in ["photos", "foo-delete", "bar-baz"] {
        std::fs::create_dir_all(path.join(name)).unwrap();
    }
    std::fs::write(path.join("photos/cat"), "cat").unwrap();
    let store = open(&path);
    assert_eq!(store.warnings().len(), 1, "{:?}", store.warnings());
    assert!(store.warnings()[0].contains("bar-baz"), "{:?}", store.warnings());
    store.create_topic("events", TopicOptions::new()).unwrap();
    store.close().unwrap();
    assert_eq!(std::fs::read(path.join("photos/cat")).unwrap(), b"cat");
}
