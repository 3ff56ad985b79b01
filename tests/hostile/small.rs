//! Hostile small files: checkpoints, snapshots, leader epochs, topics, owner, manifest, watermark.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;

use strandline::{Batch, Durability, Record, TopicOptions};

use crate::child::confined;
use crate::use_all::{TOPIC, options, place, read_only, written};

/// Small files of a log directory, and of a partition.
const OF_DIRECTORY: [&str; 9] = [
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
    ".kafka_cleanshutdown",
    "meta.properties",
    "strandline.owner",
    "strandline.topics",
    ".lock",
];
const OF_PARTITION: [&str; 7] = [
    "leader-epoch-checkpoint",
    "partition.metadata",
    "durable.watermark",
    "segments.manifest",
    "00000000000000000003.snapshot",
    "00000000000000000000.txnindex",
    "00000000000000000000.timeindex",
];

/// A store with three records, closed.
fn store() -> tempfile::TempDir {
    let directory = place();
    let store = options().open(directory.path()).unwrap();
    let log = store.create_topic(TOPIC, TopicOptions::new()).unwrap().partition(0).unwrap();
    for value in ["one", "two", "three"] {
        let batch = Batch::of([Record::new().value(value).timestamp(1_700_000_000_000)]);
        log.append(batch, Durability::Synced).unwrap();
    }
    store.close().unwrap();
    directory
}

fn write_long(path: &Path, head: &[u8], len: u64) {
    fs::write(path, head).unwrap();
    File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn paths(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let of_partition = directory.join(format!("{TOPIC}-0"));
    let of_directory = OF_DIRECTORY.map(|name| directory.join(name));
    of_directory.into_iter().chain(OF_PARTITION.map(|name| of_partition.join(name)))
}

/// Uses the store, and the log in it: whatever the files say, it does not abort.
fn survives(directory: &Path) {
    read_only(directory);
    written(directory);
}

#[test]
fn files_that_are_all_huge_at_once() {
    confined("small::files_that_are_all_huge_at_once", || {
        for len in [32 << 20, 64 << 20, 256 << 20, 1 << 40] {
            let directory = store();
            for path in paths(directory.path()) {
                write_long(&path, b"", len);
            }
            survives(directory.path());
        }
    });
}

#[test]
fn a_file_that_is_huge_hides_no_record() {
    confined("small::a_file_that_is_huge_hides_no_record", || {
        let directory = store();
        for path in paths(directory.path()) {
            let content = fs::read(&path);
            let head = content.as_deref().unwrap_or_default();
            for len in [60 << 20, 1 << 40] {
                write_long(&path, head, len);
                let used = read_only(directory.path());
                assert_eq!(used.records, 3, "{}: {used:?}", path.display());
            }
            match content {
                Ok(bytes) => fs::write(&path, bytes).unwrap(),
                Err(_) => fs::remove_file(&path).unwrap(),
            }
        }
        let used = written(directory.path());
        assert!(used.records >= 4 && used.errors.is_empty(), "{used:?}");
    });
}

#[test]
fn checkpoints_of_three_million_lines() {
    confined("small::checkpoints_of_three_million_lines", || {
        let directory = store();
        let mut lines = String::from("0\n3000000\n");
        for number in 0..3_000_000 {
            lines += if number % 2 == 0 { "a 0 0\n" } else { "b 1 1\n" };
        }
        for name in &OF_DIRECTORY[..3] {
            fs::write(directory.path().join(name), &lines).unwrap();
        }
        drop(lines);
        let used = read_only(directory.path());
        assert_eq!(used.records, 3, "{used:?}");
        let mut lines = String::from("0\n700000\n");
        for number in 0..700_000 {
            writeln!(lines, "t{number} 0 {number}").unwrap();
        }
        for name in &OF_DIRECTORY[..3] {
            fs::write(directory.path().join(name), &lines).unwrap();
        }
        let used = read_only(directory.path());
        assert_eq!(used.records, 3, "{used:?}");
        survives(directory.path());
    });
}

#[test]
fn leader_epochs_of_millions_of_lines() {
    confined("small::leader_epochs_of_millions_of_lines", || {
        let directory = store();
        let path = directory.path().join(format!("{TOPIC}-0/leader-epoch-checkpoint"));
        for descending in [false, true] {
            let mut lines = String::from("0\n1000000\n");
            for number in 0..1_000_000 {
                let number = if descending { 1_000_000 - number } else { number };
                writeln!(lines, "{number} {number}").unwrap();
            }
            fs::write(&path, lines).unwrap();
            assert_eq!(read_only(directory.path()).records, 3);
        }
        survives(directory.path());
    });
}

#[test]
fn topics_of_two_billion_partitions_and_half_a_million_topics() {
    confined("small::topics_of_two_billion_partitions_and_half_a_million_topics", || {
        let topic = |name: &str, partitions: u32, state: &str| {
            let id = "AQEBAQEBAQEBAQEBAQEBAQ";
            format!("\ntopic {name}\nid {id}\npartitions {partitions}\nstate {state}\n")
        };
        for state in ["live", "creating", "deleting"] {
            let directory = store();
            let text = format!("version 1\n{}crc -\n", topic("huge", i32::MAX as u32, state));
            fs::write(directory.path().join("strandline.topics"), text).unwrap();
            let used = read_only(directory.path());
            assert_eq!(used.records, 3, "{used:?}");
            if state != "creating" {
                survives(directory.path());
            }
        }
        let directory = store();
        let mut text = String::from("version 1\n");
        for number in 0..500_000 {
            text += &topic(&format!("t{number}"), 1, "live");
        }
        text += "crc -\n";
        fs::write(directory.path().join("strandline.topics"), text).unwrap();
        assert_eq!(read_only(directory.path()).records, 3);
        survives(directory.path());
    });
}

#[test]
fn a_snapshot_of_a_million_producers() {
    confined("small::a_snapshot_of_a_million_producers", || {
        let count = 1_000_000_i32;
        let mut entries = Vec::new();
        entries.extend(count.to_be_bytes());
        for id in 0..i64::from(count) {
            // All in one bucket of Java's map.
            entries.extend((id << 32 | id).to_be_bytes());
            entries.extend([0, 0]);
            entries.extend(0_i32.to_be_bytes());
            entries.extend(2_i64.to_be_bytes());
            entries.extend(0_i32.to_be_bytes());
            entries.extend(1_700_000_000_000_i64.to_be_bytes());
            entries.extend((-1_i32).to_be_bytes());
            entries.extend((id % 3).to_be_bytes());
        }
        let mut bytes = 1_i16.to_be_bytes().to_vec();
        bytes.extend(crc32c::crc32c(&entries).to_be_bytes());
        bytes.extend(entries);
        let directory = store();
        let of_partition = directory.path().join(format!("{TOPIC}-0"));
        fs::write(of_partition.join("00000000000000000003.snapshot"), &bytes).unwrap();
        drop(bytes);
        let used = read_only(directory.path());
        assert!(used.records >= 1 || !used.errors.is_empty(), "{used:?}");
        survives(directory.path());
    });
}
