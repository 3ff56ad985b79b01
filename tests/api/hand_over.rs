//! Stores that Kafka goes on with, and what Kafka's metadata says of a directory.

use std::path::Path;

use strandline::record::{Batches, ProducerEpoch, ProducerId, Sequence};
use strandline::{
    Batch, Durability, Error, HandOverOptions, LogConfig, Record, Store, TopicOptions,
};

use crate::help::{
    append, by_hand, closed_store, make_kafkas, names, open, open_read_only, place, tree, values,
};

const BOOTSTRAP: &str = "bootstrap.checkpoint";
const METADATA_LOG: &str = "__cluster_metadata-0";
const PAPERS: [&str; 3] = [METADATA_LOG, BOOTSTRAP, "meta.properties"];

/// The metadata records in a `bootstrap.checkpoint`.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path.join(BOOTSTRAP)).unwrap();
    let mut records = Vec::new();
    let batches: Vec<_> = Batches::new(&bytes).map(Result::unwrap).collect();
    for batch in batches.iter().filter(|batch| !batch.header().attributes().is_control()) {
        let mut at = 0;
        for _ in 0..batch.header().record_count() {
            // Length, attributes, two deltas, no key, the value's length: none of them is large.
            let payload = &batch.payload()[at..];
            let varint = |at: usize| match payload[at] {
                low if low < 0x80 => (usize::from(low) / 2, at + 1),
                low => ((usize::from(low & 0x7f) | usize::from(payload[at + 1]) << 7) / 2, at + 2),
            };
            let (len, start) = varint(0);
            let (_, delta) = varint(start + 2);
            let (value_len, value) = varint(delta + 1);
            records.push(payload[value..value + value_len].to_vec());
            at += start + len;
        }
    }
    records
}

/// The leader epochs of the partitions that a `bootstrap.checkpoint` names.
fn epochs(path: &Path) -> Vec<i32> {
    let partitions = records(path).into_iter().filter(|value| value[1] == 3);
    partitions.map(|value| i32::from_be_bytes(value[39..43].try_into().unwrap())).collect()
}

/// Puts a metadata log with these records into a directory.
fn metadata_log(path: &Path, values: &[&[u8]]) {
    let parts = values.iter().map(|value| (1_700_000_000_000, None, Some(*value), &[][..]));
    let batch = strandline::testing::build_batch("none", (-1, -1, -1), false, parts);
    let _ = std::fs::create_dir(path.join(METADATA_LOG));
    let log = path.join(METADATA_LOG).join("00000000000000000000.log");
    std::fs::write(log, batch.unwrap()).unwrap();
}

/// What a topic's record says: its name and id, and one partition with these replicas.
fn topic_record(name: &str, id: [u8; 16], replicas: &[u8]) -> [Vec<u8>; 2] {
    let name = [&[name.len() as u8 + 1], name.as_bytes()].concat();
    let mut list = vec![replicas.len() as u8 + 1];
    list.extend(replicas.iter().flat_map(|&number| [0, 0, 0, number]));
    let head = [&[1, 3, 1, 0, 0, 0, 0][..], &id, &list, &list, &[1, 1]].concat();
    let partition = [&head[..], &[0; 12], &[1, 0]].concat();
    [[&[1, 2, 0], &name[..], &id, &[0]].concat(), partition]
}

fn topic_id(path: &Path) -> [u8; 16] {
    open_read_only(path).topic("events").unwrap().id().unwrap().to_bytes()
}

#[test]
fn a_check_says_what_would_be_handed_over_and_changes_nothing() {
    let (_dir, path) = place();
    closed_store(&path);
    let before = tree(&path);
    let store = open_read_only(&path);
    let told = store.check_hand_over(&HandOverOptions::new().node_id(7)).unwrap();
    assert_eq!((told.topics, told.partitions, told.batches, told.node_id), (1, 1, 1, 7));
    assert_eq!(told.next_producer_id, 0);
    let refused = store.hand_over(&HandOverOptions::new()).unwrap_err();
    assert!(matches!(refused, Error::ReadOnly), "{refused:?}");
    assert_eq!(tree(&path), before);
}

#[test]
fn a_store_is_handed_over_with_all_that_a_controller_has_to_know() {
    let (_dir, path) = place();
    let store = open(&path);
    let config = LogConfig::new().segment_bytes(4096);
    let options = TopicOptions::new().partitions(2).config(config);
    let log = store.create_topic("events", options).unwrap().partition(1).unwrap();
    let of_producer = Batch::of([Record::new().value("x")]);
    let of_producer = of_producer.producer(ProducerId(4711), ProducerEpoch(0), Sequence(0));
    log.append(of_producer, Durability::Synced).unwrap();
    drop((store, log));
    // It died: the epoch rises with the next write.
    let store = open(&path);
    append(&store.log("events", 1).unwrap(), "behind a death");
    let options = HandOverOptions::new().cluster_id("c1").controller_at("localhost", 19_093);
    let done = store.hand_over(&options).unwrap();
    assert_eq!((done.partitions, done.next_producer_id, done.notes.len()), (2, 5000, 1));
    assert!(done.server_properties.contains("\nnode.id=1\n"), "{}", done.server_properties);
    assert!(matches!(store.topics(), Err(Error::Closed)));

    let meta = std::fs::read_to_string(path.join("meta.properties")).unwrap();
    for line in ["cluster.id=c1", "node.id=1", "version=1"] {
        assert!(meta.lines().any(|there| there == line), "{meta}");
    }
    let kinds: Vec<_> = records(&path).iter().map(|value| value[1]).collect();
    // Features, the topic, its two settings, its partitions, the producer ids.
    assert_eq!(kinds, [12, 12, 12, 12, 12, 12, 2, 4, 4, 3, 3, 15]);
    // One above what each had: the mark of the partition that nobody wrote to says 0.
    assert_eq!(epochs(&path), [1, 2]);
    let marker = std::fs::read_to_string(path.join(".kafka_cleanshutdown")).unwrap();
    assert_eq!(marker, r#"{"version":0,"brokerEpoch":-1}"#);
    assert_eq!(names(&path.join(METADATA_LOG)), ["00000000000000000000-0000000000.checkpoint"]);
}

#[test]
fn a_hand_over_that_kafka_has_not_taken_leaves_a_store_and_ends_with_the_first_write() {
    let (_dir, path) = place();
    closed_store(&path);
    let first = open(&path).hand_over(&HandOverOptions::new()).unwrap();
    for _ in 0..2 {
        let store = open(&path);
        assert_eq!(values(&store.log("events", 0).unwrap()), ["one"]);
        assert_eq!(store.warnings(), [""; 0]);
        store.close().unwrap();
        assert!(path.join("meta.properties").exists(), "nothing was written");
    }
    let second = open(&path).hand_over(&HandOverOptions::new()).unwrap();
    assert_eq!((first.cluster_id, first.directory_id), (second.cluster_id, second.directory_id));
    assert!(PAPERS.iter().all(|name| path.join(name).exists()));

    let store = open(&path);
    append(&store.log("events", 0).unwrap(), "two");
    assert!(!path.join("meta.properties").exists(), "no broker may start on what is stale");
    store.close().unwrap();
    open(&path).hand_over(&HandOverOptions::new().node_id(3)).unwrap();
    assert!(PAPERS.iter().all(|name| path.join(name).exists()));
}

#[test]
fn what_stands_in_the_way_of_a_hand_over_is_said_and_nothing_is_written() {
    let (_dir, path) = place();
    closed_store(&path);
    let options = HandOverOptions::new();
    let refused = |what: &str| {
        let error = open(&path).hand_over(&options).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(!path.join(BOOTSTRAP).exists() && !path.join("meta.properties").exists());
        error
    };
    // A transaction that nobody could end.
    let store = open(&path);
    let log = store.log("events", 0).unwrap();
    let batch = Batch::of([Record::new().value("open")]).transactional(true);
    let batch = batch.producer(ProducerId(1), ProducerEpoch(0), Sequence(0));
    log.append(batch, Durability::Synced).unwrap();
    store.close().unwrap();
    assert!(matches!(refused("open from offset 1"), Error::InvalidTxnState(_)));
    let store = open(&path);
    let producer = (ProducerId(1), ProducerEpoch(0));
    let abort = strandline::record::TransactionEnd::Abort;
    let log = store.log("events", 0).unwrap();
    log.end_transaction(producer, abort, 0, Durability::Synced).unwrap();
    store.close().unwrap();
    // A metadata log that a controller has used.
    metadata_log(&path, &[&[1, 20, 0, 0]]);
    assert!(matches!(refused(METADATA_LOG), Error::Exists(_)));
    std::fs::remove_dir_all(path.join(METADATA_LOG)).unwrap();
    // A batch that is damaged.
    let file = path.join("events-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    refused("00000000000000000000.log");
}

#[test]
fn what_meta_properties_says_is_kept_or_contradicted_aloud() {
    let (_dir, path) = place();
    closed_store(&path);
    let old = "#\n#Mon Nov 23 16:03:03 UTC 2026\nbroker.id=4\ncluster.id=of.old\nversion=0\n";
    std::fs::write(path.join("meta.properties"), old).unwrap();
    let error = open(&path).hand_over(&HandOverOptions::new().cluster_id("c2")).unwrap_err();
    assert!(error.to_string().contains("cluster.id"), "{error}");
    let done = open(&path).hand_over(&HandOverOptions::new()).unwrap();
    assert_eq!((done.cluster_id.as_str(), done.node_id), ("of.old", 4));
    let store = open(&path);
    append(&store.log("events", 0).unwrap(), "two");
    assert!(path.join("meta.properties").exists(), "it was Kafka's before");
}

#[test]
fn topics_have_the_settings_that_kafka_s_metadata_gives_them_also_when_it_is_gone() {
    let (_dir, path) = place();
    closed_store(&path);
    let [topic, partition] = topic_record("events", topic_id(&path), &[1]);
    let setting = b"\x01\x04\0\x02\x07events\x0dretention.ms\x0612345\0";
    metadata_log(&path, &[&topic, &partition, setting]);
    make_kafkas(&path);
    let set = |store: &Store| {
        let topic = store.topic("events").unwrap();
        topic.config().to_pairs().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>()
    };
    assert_eq!(set(&open_read_only(&path)), ["retention.ms=12345"]);
    let store = by_hand().0.adopt(true).open(&path).unwrap();
    assert_eq!(set(&store), ["retention.ms=12345"]);
    append(&store.log("events", 0).unwrap(), "two");
    store.close().unwrap();
    std::fs::remove_dir_all(path.join(METADATA_LOG)).unwrap();
    assert_eq!(set(&open(&path)), ["retention.ms=12345"]);
}

#[test]
fn metadata_that_is_not_understood_is_said_and_keeps_a_store_from_being_written() {
    let (_dir, path) = place();
    closed_store(&path);
    let id = topic_id(&path);
    let version = b"\x01\x0c\0\x11metadata.version\0\x1f\0";
    let [topic, partition] = topic_record("events", [9; 16], &[1]);
    let [same, replicated] = topic_record("events", id, &[1, 2]);
    let cases: [(&[&[u8]], &str); 4] = [
        (&[version], "metadata.version has version 31"),
        (&[&[1, 77, 0]], "metadata record of type 77"),
        (&[&[1, 3, 9]], "metadata record of type 3 in version 9"),
        (&[&same, &replicated], "replicas on brokers [1, 2]"),
    ];
    for (records, why) in cases {
        metadata_log(&path, records);
        let before = names(&path);
        let error = open_error(&path);
        assert!(error.contains(why), "{error}");
        let reader = open_read_only(&path);
        assert_eq!(values(&reader.log("events", 0).unwrap()), ["one"]);
        let is_told = reader.warnings().iter().any(|warning| warning.contains(why));
        assert!(is_told || why.starts_with("replicas"), "{:?}", reader.warnings());
        assert_eq!(names(&path), before);
    }
    // Kafka knows another topic by that name.
    metadata_log(&path, &[&topic, &partition]);
    make_kafkas(&path);
    let store = by_hand().0.adopt(true).open(&path).unwrap();
    let error = store.log("events", 0).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("topic id differs"), "{error}");
}

fn open_error(path: &Path) -> String {
    by_hand().0.open(path).unwrap_err().to_string()
}

#[test]
fn what_kafka_set_aside_is_put_back_whole_or_not_at_all() {
    let (_dir, path) = place();
    closed_store(&path);
    let unique = "7d304678b7f04b9493a911561a40f920";
    let stray = path.join(format!("events-0.{unique}-stray"));
    std::fs::rename(path.join("events-0"), &stray).unwrap();
    assert!(open(&path).warnings().iter().any(|warning| warning.contains("-stray")));
    std::fs::create_dir(path.join("events-0")).unwrap();
    let error = by_hand().0.put_back_strays(true).open(&path).unwrap_err();
    assert!(matches!(&error, Error::Exists(_)) && stray.exists(), "{error:?}");
    std::fs::remove_dir(path.join("events-0")).unwrap();
    let store = by_hand().0.put_back_strays(true).open(&path).unwrap();
    assert_eq!(values(&store.log("events", 0).unwrap()), ["one"]);
    assert!(!stray.exists() && store.warnings().is_empty(), "{:?}", store.warnings());
}

/// Real brokers did that: a deleted record was there again in Kafka, after the directory was handed
/// over. Kafka's checkpoints know no log that was set aside, and its marker said that nothing had to be
/// looked at.
#[test]
fn what_was_deleted_from_a_log_that_kafka_set_aside_stays_deleted_for_kafka() {
    let starts = |path: &Path| {
        let text = std::fs::read_to_string(path.join("log-start-offset-checkpoint")).unwrap();
        text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
    };
    // With our line in the third of them, too, where Kafka has had no reason to write that one.
    for (hands_over, rewritten) in [(false, 2), (false, 3), (true, 2), (true, 3)] {
        let (_dir, path) = place();
        let store = open(&path);
        let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
        for value in ["one", "two", "three"] {
            append(&log, value);
        }
        log.delete_records(Some(2)).unwrap();
        store.close().unwrap();
        assert_eq!(starts(&path), ["events 0 2"]);
        // Kafka starts, sets the directory aside, rewrites its checkpoints, and stops in order.
        let names = ["log-start-offset", "recovery-point-offset", "replication-offset"];
        for name in &names[..rewritten] {
            std::fs::write(path.join(format!("{name}-checkpoint")), "0\n0\n").unwrap();
        }
        if !hands_over {
            let stray = "events-0.7d304678b7f04b9493a911561a40f920-stray";
            std::fs::rename(path.join("events-0"), path.join(stray)).unwrap();
        }
        let store = by_hand().0.put_back_strays(!hands_over).open(&path).unwrap();
        if hands_over {
            store.hand_over(&HandOverOptions::new()).unwrap();
        } else {
            store.close().unwrap();
        }
        assert_eq!(starts(&path), ["events 0 2"], "handed over: {hands_over}, {rewritten}");
        assert!(path.join(".kafka_cleanshutdown").exists());
    }
}
