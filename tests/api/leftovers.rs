//! What a crash or an error in the middle of a change leaves, and what becomes of it.

use std::path::Path;

use strandline::{Error, TopicOptions};

use crate::help::{
    append, by_hand, closed_store, names, open, open_read_only, place, text, values,
};

const HALF_MADE: &str = "new-0.7d304678b7f04b9493a911561a40f920-delete";
const ID: &str = "gMflXnwDS2K7CfvVf3do3Q";

/// Adds a topic to `strandline.topics`, as an edit by hand does.
fn add_topic(path: &Path, lines: &str) {
    let file = path.join("strandline.topics");
    let before = text(file.clone());
    let (kept, _) = before.rsplit_once("crc ").unwrap();
    std::fs::write(file, format!("{kept}\n{lines}crc -\n")).unwrap();
}

fn set_state(path: &Path, state: &str) {
    let file = path.join("strandline.topics");
    let before = text(file.clone());
    let (kept, _) = before.rsplit_once("crc ").unwrap();
    let after = kept.replace("state live", &format!("state {state}"));
    std::fs::write(file, format!("{after}crc -\n")).unwrap();
}

fn half_made_topic(path: &Path) {
    closed_store(path);
    add_topic(path, &format!("topic new\nid {ID}\npartitions 2\nstate creating\nconfig a=b\n"));
    std::fs::create_dir(path.join(HALF_MADE)).unwrap();
    std::fs::write(path.join(HALF_MADE).join("00000000000000000000.log"), "").unwrap();
}

#[test]
fn a_topic_that_was_being_made_is_finished_before_the_next_write() {
    let (_dir, path) = place();
    half_made_topic(&path);
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    assert!(!path.join("new-0").exists(), "an opening writes nothing");
    assert_eq!(store.topics().unwrap().len(), 2, "but it shows what will be");
    let exists = store.create_topic("new", TopicOptions::new());
    assert!(matches!(exists, Err(Error::Exists(_))), "{exists:?}");
    let topic = store.topic("new").unwrap();
    assert_eq!((topic.id().unwrap().to_string().as_str(), topic.partitions()), (ID, 2));
    append(&topic.partition(1).unwrap(), "one");
    assert!(text(path.join("strandline.topics")).contains("config a=b"));
    assert!(!text(path.join("strandline.topics")).contains("creating"));

    assert!(path.join(HALF_MADE).exists());
    store.run_housekeeping(clock.now_ms() + 61_000).unwrap();
    assert!(!path.join(HALF_MADE).exists());
    store.close().unwrap();
    assert_eq!(values(&open(&path).log("new", 1).unwrap()), ["one"]);
}

#[test]
fn its_log_can_be_asked_for_at_once() {
    let (_dir, path) = place();
    half_made_topic(&path);
    let store = open(&path);
    append(&store.log("new", 0).unwrap(), "one");
    assert_eq!(values(&store.log("new", 0).unwrap()), ["one"]);
}

#[test]
fn a_reader_does_not_see_a_topic_that_is_half_made_or_half_deleted() {
    let (_dir, path) = place();
    half_made_topic(&path);
    set_state(&path, "deleting");
    let store = open_read_only(&path);
    assert!(store.topics().unwrap().is_empty());
    assert!(matches!(store.log("new", 0), Err(Error::NotFound(_))));
    assert!(matches!(store.log("events", 0), Err(Error::NotFound(_))));
}

#[test]
fn a_topic_that_was_being_deleted_is_finished_before_the_next_write() {
    let (_dir, path) = place();
    closed_store(&path);
    set_state(&path, "deleting");
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    assert!(store.topics().unwrap().is_empty());
    assert!(path.join("events-0").exists(), "an opening writes nothing");
    store.create_topic("other", TopicOptions::new()).unwrap();
    assert!(!path.join("events-0").exists());
    assert!(!text(path.join("strandline.topics")).contains("topic events"));
    store.run_housekeeping(clock.now_ms() + 61_000).unwrap();
    assert!(!names(&path).iter().any(|name| name.ends_with("-delete")));
    store.create_topic("events", TopicOptions::new()).unwrap();
    assert_eq!(store.log("events", 0).unwrap().log_end_offset().unwrap(), 0);
}

#[test]
fn a_deletion_leaves_a_topic_alone_that_was_made_since_under_the_same_name() {
    let (_dir, path) = place();
    closed_store(&path);
    set_state(&path, "deleting");
    let metadata = path.join("events-0/partition.metadata");
    std::fs::write(metadata, format!("version: 0\ntopic_id: {ID}")).unwrap();
    let store = open(&path);
    store.create_topic("other", TopicOptions::new()).unwrap();
    assert!(path.join("events-0").exists());
    drop(store);
    let topic = open(&path).topic("events").unwrap();
    assert_eq!(topic.id().unwrap().to_string(), ID);
}

#[test]
fn a_directory_that_was_to_be_deleted_is_queued_again_and_waits_for_the_first_write() {
    let (_dir, path) = place();
    closed_store(&path);
    std::fs::create_dir(path.join(HALF_MADE)).unwrap();
    std::fs::create_dir(path.join(HALF_MADE).join("quarantine")).unwrap();
    std::fs::write(path.join(HALF_MADE).join("quarantine/piece"), "x").unwrap();
    let (options, clock) = by_hand();
    let store = options.open(&path).unwrap();
    let late = clock.now_ms() + 61_000;
    store.run_housekeeping(late).unwrap();
    assert!(path.join(HALF_MADE).exists());
    append(&store.log("events", 0).unwrap(), "two");
    store.run_housekeeping(late - 2_000).unwrap();
    assert!(path.join(HALF_MADE).exists());
    store.run_housekeeping(late + 10_000).unwrap();
    assert!(!path.join(HALF_MADE).exists());
}

#[test]
fn a_start_over_that_failed_half_way_is_finished_by_the_next_opening() {
    type Block = fn(&Path) -> std::io::Result<()>;
    let hide: Block = |dir| std::fs::rename(dir.join("durable.watermark"), dir.join("aside"));
    let show: Block = |dir| std::fs::rename(dir.join("aside"), dir.join("durable.watermark"));
    let blocks: [(Block, Block); 3] = [
        (hide, show),
        (
            |dir| std::fs::create_dir(dir.join("leader-epoch-checkpoint.tmp")),
            |dir| std::fs::remove_dir(dir.join("leader-epoch-checkpoint.tmp")),
        ),
        // The last step: the new segment is there already.
        (
            |dir| std::fs::create_dir(dir.join("segments.manifest.tmp")),
            |dir| std::fs::remove_dir(dir.join("segments.manifest.tmp")),
        ),
    ];
    for (block, unblock) in blocks {
        // Behind all that is there, between, and before it.
        for start in [100, 3, 1] {
            let (_dir, path) = place();
            let store = open(&path);
            let log =
                store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
            append(&log, "one");
            append(&log, "two");
            log.roll().unwrap();
            append(&log, "three");
            append(&log, "four");
            log.delete_records(Some(2)).unwrap();
            assert_eq!(log.enforce_retention().unwrap(), 1);
            let partition = path.join("events-0");
            block(&partition).unwrap();
            log.start_over_at(start).unwrap_err();
            unblock(&partition).unwrap();
            drop((log, store));
            for values_after in [vec!["five"], vec!["five", "six"]] {
                let store = open(&path);
                let log = store.log("events", 0).unwrap();
                assert_eq!(log.log_start_offset().unwrap(), start);
                let next = append(&log, values_after.last().unwrap());
                assert_eq!(next, start + values_after.len() as i64 - 1);
                assert_eq!(values(&log), values_after, "from {start}");
                assert!(log.gap().unwrap().is_none());
                store.close().unwrap();
            }
        }
    }
}
