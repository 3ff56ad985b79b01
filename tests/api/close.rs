//! Closing a store, and what a store that was not closed is.

use strandline::{Batch, Durability, Error, Record, TopicOptions};

use crate::help::{append, closed_store, names, open, place, text, tree, values};

const MARKER: &str = ".kafka_cleanshutdown";

#[test]
fn a_clean_close_leaves_kafkas_files_and_ours_and_the_marker() {
    let (_dir, path) = place();
    let store = open(&path);
    let topic = store.create_topic("events", TopicOptions::new().partitions(2)).unwrap();
    for value in ["one", "two", "three"] {
        append(&topic.partition(0).unwrap(), value);
    }
    store.close().unwrap();
    let wanted = [
        MARKER,
        ".lock",
        "events-0",
        "events-1",
        "log-start-offset-checkpoint",
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "strandline.owner",
        "strandline.topics",
    ];
    assert_eq!(names(&path), wanted);
    let wanted = [
        "00000000000000000000.index",
        "00000000000000000000.log",
        "00000000000000000000.timeindex",
        "00000000000000000003.snapshot",
        "durable.watermark",
        "leader-epoch-checkpoint",
        "partition.metadata",
        "segments.manifest",
    ];
    assert_eq!(names(&path.join("events-0")), wanted);
    assert_eq!(text(path.join(MARKER)), "{\"version\":0,\"brokerEpoch\":-1}");
    let recovery = text(path.join("recovery-point-offset-checkpoint"));
    assert!(recovery.contains("\nevents 0 3\n"), "{recovery}");
    let replication = text(path.join("replication-offset-checkpoint"));
    assert!(replication.contains("\nevents 0 3\n"), "{replication}");
    assert!(replication.contains("\nstrandline-opening 0 "), "{replication}");
    assert_eq!(text(path.join("log-start-offset-checkpoint")), "0\n0\n");
    assert_eq!(text(path.join("events-0/leader-epoch-checkpoint")), "0\n1\n0 0\n");
}

#[test]
fn a_store_that_wrote_nothing_leaves_everything_as_it_was() {
    let (_dir, path) = place();
    closed_store(&path);
    // Who has it open is written down; nothing else is.
    let ours = |path: &std::path::Path| {
        let mut tree = tree(path);
        tree.remove(&path.join("strandline.owner"));
        tree.remove(path);
        tree
    };
    let before = ours(&path);
    let store = open(&path);
    assert_eq!(values(&store.log("events", 0).unwrap()), ["one"]);
    store.run_housekeeping(i64::MAX).unwrap();
    store.close().unwrap();
    assert_eq!(ours(&path), before);
    open(&path).log("events", 0).unwrap().log_end_offset().unwrap();
    assert_eq!(ours(&path), before);
}

#[test]
fn the_marker_goes_before_the_first_write_and_its_broker_epoch_comes_back() {
    let (_dir, path) = place();
    closed_store(&path);
    std::fs::write(path.join(MARKER), "{\"version\":0,\"brokerEpoch\":325}").unwrap();
    let store = open(&path);
    let log = store.log("events", 0).unwrap();
    assert!(path.join(MARKER).exists());
    append(&log, "two");
    assert!(!path.join(MARKER).exists());
    drop((store, log));
    // It died; the epoch is remembered over that too.
    let store = open(&path);
    append(&store.log("events", 0).unwrap(), "three");
    store.close().unwrap();
    assert_eq!(text(path.join(MARKER)), "{\"version\":0,\"brokerEpoch\":325}");
}

#[test]
fn a_store_that_is_dropped_loses_nothing_and_raises_its_epoch() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    append(&log, "synced");
    let batch = Batch::of([Record::new().value("written")]);
    log.append(batch, Durability::Written).unwrap();
    drop((store, log));
    assert!(!path.join(MARKER).exists());

    let store = open(&path);
    let log = store.log("events", 0).unwrap();
    assert_eq!(values(&log), ["synced", "written"]);
    append(&log, "third");
    store.close().unwrap();
    let store = open(&path);
    assert_eq!(values(&store.log("events", 0).unwrap()), ["synced", "written", "third"]);
    assert_eq!(text(path.join("events-0/leader-epoch-checkpoint")), "0\n2\n0 0\n1 2\n");
    assert_eq!(store.warnings(), [""; 0]);
}

#[test]
fn without_a_marker_every_log_is_closed_before_there_is_one() {
    let (_dir, path) = place();
    let store = open(&path);
    let topic = store.create_topic("events", TopicOptions::new().partitions(3)).unwrap();
    for number in 0..2 {
        append(&topic.partition(number).unwrap(), "one");
    }
    drop((store, topic));
    let store = open(&path);
    append(&store.log("events", 0).unwrap(), "two");
    store.close().unwrap();
    assert!(path.join(MARKER).exists());
    let recovery = text(path.join("recovery-point-offset-checkpoint"));
    assert!(recovery.contains("\nevents 0 2\n"), "{recovery}");
    assert!(recovery.contains("\nevents 1 1\n"), "the one that nobody used: {recovery}");
    assert!(path.join("events-1/00000000000000000001.snapshot").exists());
}

#[test]
fn a_log_that_cannot_be_finished_keeps_the_marker_away_and_is_told_of() {
    let (_dir, path) = place();
    let store = open(&path);
    let topic = store.create_topic("events", TopicOptions::new().partitions(2)).unwrap();
    for number in 0..2 {
        let log = topic.partition(number).unwrap();
        append(&log, "one");
        log.roll().unwrap();
        append(&log, "two");
    }
    drop((store, topic));
    std::fs::remove_file(path.join("events-1/00000000000000000000.log")).unwrap();
    let store = open(&path);
    append(&store.log("events", 0).unwrap(), "three");
    store.close().unwrap();
    assert!(!path.join(MARKER).exists());
    assert!(store.warnings().iter().any(|why| why.contains("events-1")), "{:?}", store.warnings());
    let store = open(&path);
    assert_eq!(values(&store.log("events", 0).unwrap()), ["one", "two", "three"]);
}

#[test]
fn everything_is_closed_afterwards_and_closing_again_is_nothing() {
    let (_dir, path) = place();
    let store = open(&path);
    let topic = store.create_topic("events", TopicOptions::new()).unwrap();
    let log = topic.partition(0).unwrap();
    append(&log, "one");
    store.close().unwrap();
    let before = tree(&path);
    store.close().unwrap();
    let batch = Batch::of([Record::new().value("x")]);
    let results = [
        store.topic("events").map(drop),
        store.topics().map(drop),
        store.partitions().map(drop),
        store.log("events", 0).map(drop),
        store.create_topic("a", TopicOptions::new()).map(drop),
        store.delete_topic("events"),
        store.run_housekeeping(i64::MAX),
        topic.partition(0).map(drop),
        log.append(batch, Durability::Synced).map(drop),
        log.log_end_offset().map(drop),
    ];
    for (at, result) in results.into_iter().enumerate() {
        assert!(matches!(result, Err(Error::Closed)), "{at}: {result:?}");
    }
    drop((store, topic, log));
    assert_eq!(tree(&path), before);
}

#[test]
fn lines_of_partitions_that_are_not_here_are_kept_and_those_of_a_deleted_topic_go() {
    let (_dir, path) = place();
    closed_store(&path);
    let file = path.join("recovery-point-offset-checkpoint");
    std::fs::write(&file, "0\n2\nelsewhere 7 99\nevents 0 1\n").unwrap();
    let store = open(&path);
    append(&store.log("events", 0).unwrap(), "two");
    store.close().unwrap();
    assert_eq!(text(file.clone()), "0\n2\nelsewhere 7 99\nevents 0 2\n");
    let store = open(&path);
    store.delete_topic("events").unwrap();
    assert_eq!(text(file.clone()), "0\n1\nelsewhere 7 99\n");
    store.close().unwrap();
    assert_eq!(text(file), "0\n1\nelsewhere 7 99\n");
}

/// Else a Kafka that is started after our death would scan nothing of what was written behind the cut.
#[test]
fn kafkas_recovery_point_is_lowered_before_a_log_is_cut() {
    let (_dir, path) = place();
    let store = open(&path);
    let topic = store.create_topic("events", TopicOptions::new().partitions(2)).unwrap();
    for partition in [0, 1] {
        for value in ["one", "two"] {
            append(&topic.partition(partition).unwrap(), value);
        }
    }
    store.close().unwrap();
    let recovery = || text(path.join("recovery-point-offset-checkpoint"));
    assert_eq!(recovery(), "0\n2\nevents 0 2\nevents 1 2\n");
    let store = open(&path);
    store.log("events", 0).unwrap().truncate_to(1).unwrap();
    assert_eq!(recovery(), "0\n2\nevents 0 0\nevents 1 2\n");
    store.log("events", 1).unwrap().start_over_at(0).unwrap();
    assert_eq!(recovery(), "0\n2\nevents 0 0\nevents 1 0\n");
}
