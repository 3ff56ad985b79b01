//! Files at the top of a store that are lost, damaged, or of a later version.

use strandline::{Batch, Durability, Error, FetchOptions, Log, Record, Store, TopicOptions};

use crate::help::{append, closed_store, open, open_read_only, place, text, values};

#[test]
fn a_lost_topics_file_costs_settings_and_nothing_else() {
    let (_dir, path) = place();
    closed_store(&path);
    let id = open_read_only(&path).topic("events").unwrap().id();
    std::fs::remove_file(path.join("strandline.topics")).unwrap();
    let store = open(&path);
    assert_eq!(store.warnings().len(), 1, "{:?}", store.warnings());
    assert!(store.warnings()[0].contains("strandline.topics"), "{:?}", store.warnings());
    let topic = store.topic("events").unwrap();
    assert_eq!((topic.id(), topic.partitions()), (id, 1));
    append(&topic.partition(0).unwrap(), "two");
    let exists = store.create_topic("events", TopicOptions::new());
    assert!(matches!(exists, Err(Error::Exists(_))), "{exists:?}");
    store.create_topic("other", TopicOptions::new()).unwrap();
    store.close().unwrap();
    let store = open(&path);
    assert_eq!(store.topics().unwrap().len(), 2);
    assert_eq!(values(&store.log("events", 0).unwrap()), ["one", "two"]);
    store.delete_topic("events").unwrap();
    assert_eq!(store.topics().unwrap().len(), 1);
}

#[test]
fn a_damaged_topics_file_is_kept_aside_before_it_is_written_again() {
    let (_dir, path) = place();
    closed_store(&path);
    let damaged = text(path.join("strandline.topics")).replace("partitions 1", "partitions 2");
    std::fs::write(path.join("strandline.topics"), &damaged).unwrap();
    let store = open(&path);
    assert!(store.warnings()[0].contains("crc"), "{:?}", store.warnings());
    assert_eq!(store.topic("events").unwrap().partitions(), 1);
    store.create_topic("other", TopicOptions::new()).unwrap();
    assert_eq!(text(path.join("strandline.topics.damaged")), damaged);
}

#[test]
fn a_setting_that_cannot_be_is_left_out_with_a_warning_and_kept_in_the_file() {
    let (_dir, path) = place();
    closed_store(&path);
    let file = path.join("strandline.topics");
    let before = text(file.clone());
    let (kept, _) = before.rsplit_once("crc ").unwrap();
    std::fs::write(&file, format!("{kept}config segment.bytes=many\ncrc -\n")).unwrap();
    let store = open(&path);
    assert!(store.warnings()[0].contains("segment.bytes"), "{:?}", store.warnings());
    append(&store.log("events", 0).unwrap(), "two");
    store.create_topic("other", TopicOptions::new()).unwrap();
    assert!(text(file).contains("segment.bytes=many"));
}

#[test]
fn a_later_version_is_said_to_be_one() {
    for (name, bytes) in [
        ("strandline.topics", "version 2\ntopics in another form\ncrc -\n"),
        ("strandline.owner", "version 3\ncrc -\n"),
    ] {
        let (_dir, path) = place();
        closed_store(&path);
        std::fs::write(path.join(name), bytes).unwrap();
        for options in [Store::options(), Store::options().read_only(true)] {
            let error = options.open(&path).unwrap_err();
            let version = i64::from(bytes.as_bytes()[8] - b'0');
            assert!(
                matches!(&error, Error::Newer { path: at, version: of, .. }
                    if *at == path.join(name) && *of == version),
                "{error:?}"
            );
        }
        assert_eq!(text(path.join(name)), bytes);
    }
}

#[test]
fn a_log_of_a_later_version_is_said_to_be_one_and_the_others_are_not_hit() {
    let (_dir, path) = place();
    closed_store(&path);
    let store = open(&path);
    store.create_topic("other", TopicOptions::new()).unwrap();
    store.close().unwrap();
    let file = path.join("events-0/segments.manifest");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[9] = 2;
    let crc = crc32c(&bytes[8..128]);
    bytes[4..8].copy_from_slice(&crc.to_be_bytes());
    std::fs::write(&file, &bytes).unwrap();
    let store = open(&path);
    let error = store.log("events", 0).unwrap().log_end_offset().unwrap_err();
    assert!(
        matches!(&error, Error::Newer { path: at, version: 2, .. } if *at == file),
        "{error:?}"
    );
    append(&store.log("other", 0).unwrap(), "one");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

/// Bit by bit, as its definition says.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

#[test]
fn damaged_checkpoints_count_as_empty_and_are_told_of() {
    let (_dir, path) = place();
    closed_store(&path);
    for name in ["replication", "recovery-point", "log-start"] {
        std::fs::write(path.join(format!("{name}-offset-checkpoint")), "0\n5\nevents\n").unwrap();
    }
    let store = open(&path);
    assert_eq!(store.warnings().len(), 3, "{:?}", store.warnings());
    assert_eq!(values(&store.log("events", 0).unwrap()), ["one"]);
    append(&store.log("events", 0).unwrap(), "two");
    store.close().unwrap();
    let store = open(&path);
    assert_eq!(store.warnings(), [""; 0]);
    assert_eq!(values(&store.log("events", 0).unwrap()), ["one", "two"]);
}

#[test]
fn a_directory_of_another_topic_is_not_taken_for_ours() {
    let (_dir, path) = place();
    closed_store(&path);
    let file = path.join("events-0/partition.metadata");
    std::fs::write(&file, "version: 0\ntopic_id: gMflXnwDS2K7CfvVf3do3Q").unwrap();
    // Two of ours against it would show that it is the id that is damaged.
    std::fs::remove_file(path.join("events-0/segments.manifest")).unwrap();
    let error = open(&path).log("events", 0).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { path: at, .. } if *at == file), "{error:?}");
}

#[test]
fn a_lost_first_segment_is_missing_data_and_no_new_log_start() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    for value in ["one", "two", "three"] {
        append(&log, value);
        log.roll().unwrap();
    }
    store.close().unwrap();
    std::fs::remove_file(path.join("events-0/00000000000000000000.log")).unwrap();
    let store = open(&path);
    let log = store.log("events", 0).unwrap();
    assert_eq!((log.log_start_offset().unwrap(), log.gap().unwrap()), (0, Some(0..1)));
    let fetched = log.fetch(1, FetchOptions::new()).unwrap();
    assert_eq!(fetched.records().next().unwrap().unwrap().value(), Some(&b"two"[..]));
    let refused = log.append(Batch::of([Record::new().value("x")]), Durability::Written);
    assert!(matches!(refused, Err(Error::GapNotAccepted { from: 0, to: 1 })), "{refused:?}");
    log.accept_gaps().unwrap();
    assert_eq!((append(&log, "four"), log.gap().unwrap()), (3, None));
    store.close().unwrap();
    let log = open(&path).log("events", 0).unwrap();
    assert_eq!(log.gap().unwrap(), None);
    assert_eq!(values(&log), ["two", "three", "four"]);
}

#[test]
fn a_lost_partition_is_not_found_and_told_of() {
    let (_dir, path) = place();
    let store = open(&path);
    store.create_topic("events", TopicOptions::new().partitions(3)).unwrap();
    drop(store);
    std::fs::remove_dir_all(path.join("events-1")).unwrap();
    let store = open(&path);
    assert!(store.warnings()[0].contains("events-1"), "{:?}", store.warnings());
    let topic = store.topic("events").unwrap();
    assert_eq!(topic.partitions(), 3);
    assert!(matches!(topic.partition(1), Err(Error::NotFound(_))));
    append(&topic.partition(2).unwrap(), "one");
}

#[test]
fn an_owner_file_that_is_lost_or_damaged_hurts_nobody() {
    let (_dir, path) = place();
    closed_store(&path);
    for bytes in [Some("garbage"), Some(""), None] {
        let file = path.join("strandline.owner");
        match bytes {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let store = open(&path);
        assert_eq!(store.warnings(), [""; 0]);
        assert_eq!(values(&store.log("events", 0).unwrap()), ["one"]);
        assert!(text(file).contains(&format!("pid {}\n", std::process::id())));
    }
}

/// What fetching on from the start gives: the values, and the offsets that are told to be damaged.
fn values_and_damage(log: &Log) -> (Vec<String>, Vec<(i64, i64)>) {
    let (mut values, mut damage) = (Vec::new(), Vec::new());
    let mut from = log.log_start_offset().unwrap();
    while from < log.log_end_offset().unwrap() {
        match log.fetch(from, FetchOptions::new()) {
            Ok(fetched) => {
                for record in fetched.records() {
                    let value = record.unwrap().value().unwrap().to_vec();
                    values.push(String::from_utf8(value).unwrap());
                }
                from = fetched.next_offset();
            }
            Err(Error::Corrupt { offsets: Some((first, last)), .. }) => {
                damage.push((first, last));
                from = last + 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (values, damage)
}

#[test]
fn a_sealed_segment_that_was_cut_hides_nothing_but_what_is_gone() {
    for closed in [true, false] {
        let (_dir, path) = place();
        let store = open(&path);
        let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
        for number in 0..9 {
            append(&log, &format!("value {number}"));
            if number % 3 == 2 {
                log.roll().unwrap();
            }
        }
        append(&log, "value 9");
        let file = path.join("events-0/00000000000000000003.log");
        let whole = std::fs::read(&file).unwrap();
        if closed {
            store.close().unwrap();
        }
        drop((log, store));
        for len in 0..whole.len() {
            std::fs::write(&file, &whole[..len]).unwrap();
            let store = open_read_only(&path);
            let (values, damage) = values_and_damage(&store.log("events", 0).unwrap());
            // Three batches of the same size each hold one record.
            let kept = (len * 3 / whole.len()) as i64;
            let wanted: Vec<_> = (0..10).filter(|n| !(3 + kept..6).contains(n)).collect();
            let wanted: Vec<_> = wanted.iter().map(|n| format!("value {n}")).collect();
            assert_eq!(values, wanted, "cut to {len}, closed: {closed}");
            assert_eq!(damage, [(3 + kept, 5)], "cut to {len}, closed: {closed}");
        }
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(values_and_damage(&open(&path).log("events", 0).unwrap()).1, []);
    }
}
