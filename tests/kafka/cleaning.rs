//! Compaction, beside Kafka's: on what it cleaned and on what it did not, and on the stream of real
//! records.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::engine::{Directory, EngineLog};
use crate::pack::{self, Broker};
use crate::slow_cleaner::{self, Bat, Rules};
use crate::truth::Payload;
use crate::vectors::Vector;
use crate::{files, key_and_time, reading, replay};

/// A little after the explicit timestamps of the golden partitions, so that their producers are
/// remembered.
const SOON_MS: i64 = 1_700_000_600_000;
const DELETE_RETENTION_MS: i64 = 86_400_000;

/// A broker's partitions, but for those of formats that are not cleaned here.
fn partitions(broker: &Broker) -> Vec<String> {
    let entries = fs::read_dir(broker.log_directory()).unwrap().map(|entry| entry.unwrap());
    let dirs = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let names = dirs.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<_> =
        names.filter(|name| !name.ends_with("-delete") && !name.starts_with("__cluster")).collect();
    names.sort();
    names
}

fn copied(broker: &Broker, partition: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(broker.log_directory().join(partition)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

fn config() -> Vec<(String, String)> {
    let pairs = [("cleanup.policy", "compact"), ("file.delete.delay.ms", "0")];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn producers(log: &EngineLog) -> BTreeMap<i64, (i16, Option<i64>)> {
    let known = log.state().unwrap().producers.into_iter();
    known.map(|it| (it.id, (it.epoch, it.batches.last().map(|batch| batch.3)))).collect()
}

/// Cleans all of a log but its active segment, three times: what is left each time is what the rules
/// say of what was there.
fn cleans_as_the_rules_say(
    dir: &Path,
    first_dirty: i64,
    now: i64,
) -> Result<(usize, usize), String> {
    let mut log = EngineLog::open(dir, &config(), now).map_err(|error| error.to_string())?;
    let (mut before, mut after) = (0, 0);
    for round in 0..3 {
        // A tombstone lives for a day from the first round on, and goes in the third.
        let now = now + round * (DELETE_RETENTION_MS / 2 + 1);
        log.set_now(now);
        log.roll().map_err(|error| error.to_string())?;
        let state = log.state().unwrap();
        let end = *state.segments.last().unwrap();
        let end =
            state.segments.iter().copied().filter(|at| *at <= state.last_stable_offset.min(end));
        let end = end.max().unwrap_or(0);
        let there = slow_cleaner::batches_in(dir, i64::MAX);
        let rules = Rules {
            now,
            delete_retention_ms: DELETE_RETENTION_MS,
            first_dirty,
            first_uncleanable: end,
            producers: producers(&log),
        };
        let wanted = slow_cleaner::clean(&there, &rules);
        let next = log.clean(first_dirty, end).map_err(|error| error.to_string())?;
        if next != end && first_dirty < end {
            return Err(format!("cleaned to {next}, not to {end}"));
        }
        log.run_due_deletes().unwrap();
        let left = slow_cleaner::batches_in(dir, end);
        if let Some(difference) = slow_cleaner::difference(&left, &wanted) {
            return Err(format!("round {round}: {difference}"));
        }
        let there = there.iter().filter(|batch| batch.base < end);
        before += there.map(|batch| batch.records.len()).sum::<usize>();
        after += left.iter().map(|batch| batch.records.len()).sum::<usize>();
    }
    log.close().map_err(|error| error.to_string())?;
    Ok((before, after))
}

fn every_partition_is_cleaned_as_the_rules_say(version: &'static str) {
    let broker = Broker::unpack(version, "clean");
    let (mut wrong, mut cleaned, mut records) = (Vec::new(), 0, (0, 0));
    for partition in partitions(&broker) {
        let dir = copied(&broker, &partition);
        match cleans_as_the_rules_say(dir.path(), 0, SOON_MS) {
            Ok((before, after)) => {
                cleaned += 1;
                records = (records.0 + before, records.1 + after);
            }
            Err(error) => wrong.push(format!("{partition}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cleaned > 10 && records.1 < records.0, "{cleaned} partitions, {records:?} records");
}

#[test]
fn what_4_3_1_wrote_is_cleaned_as_the_rules_say() {
    every_partition_is_cleaned_as_the_rules_say("4.3.1");
}

#[test]
fn what_2_8_2_wrote_in_all_formats_is_cleaned_as_the_rules_say() {
    every_partition_is_cleaned_as_the_rules_say("2.8.2");
}

#[test]
fn what_3_9_2_wrote_is_cleaned_as_the_rules_say() {
    every_partition_is_cleaned_as_the_rules_say("3.9.2");
}

/// The batches, without what leaves a compressor its freedom.
fn decoded(dir: &Path) -> Vec<Bat> {
    slow_cleaner::batches_in(dir, i64::MAX)
}

#[test]
fn what_kafka_has_cleaned_stays_byte_for_byte() {
    for version in ["4.3.1", "3.9.2"] {
        let broker = Broker::unpack(version, "clean");
        let checkpoint =
            fs::read_to_string(broker.log_directory().join("cleaner-offset-checkpoint"));
        let checkpoint = checkpoint.unwrap();
        let mut looked_at = 0;
        for line in checkpoint.lines().skip(2) {
            let [topic, number, offset] = line.split(' ').collect::<Vec<_>>()[..] else { panic!() };
            let partition = format!("{topic}-{number}");
            if !broker.log_directory().join(&partition).exists() {
                continue;
            }
            let dir = copied(&broker, &partition);
            let bytes = || -> Vec<_> {
                let logs = slow_cleaner::logs_in(dir.path());
                logs.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
            };
            let mut log = EngineLog::open(dir.path(), &config(), SOON_MS).unwrap();
            let (before, active) = (bytes(), *log.state().unwrap().segments.last().unwrap());
            let first_dirty: i64 = offset.parse().unwrap();
            log.clean(first_dirty, active).unwrap();
            assert!(bytes() == before, "{version} {topic}-{number}, nothing of which is dirty");
            looked_at += 1;
        }
        assert!(looked_at >= 5, "{version}: {checkpoint}");
    }
}

#[test]
fn a_compressed_log_is_left_with_the_batches_that_kafka_leaves() {
    let kafkas = pack::write_vectors(&["compact-lz4.json", "files/compact-lz4"]);
    let vector = Vector::read(&kafkas.path().join("compact-lz4.json"));
    let ours = tempfile::tempdir().unwrap();
    replay::replay(&vector, ours.path()).unwrap();
    let theirs = kafkas.path().join("files/compact-lz4");
    let (left, wanted) = (decoded(ours.path()), decoded(&theirs));
    assert_eq!(slow_cleaner::difference(&left, &wanted), None);
    // What is not compressed is the same to the byte.
    let differences = files::differences(ours.path(), &theirs);
    let others: Vec<_> =
        differences.iter().filter(|it| !it.contains(".log") && !it.contains("index")).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Every record of the stream, the last of each path alone, and of those the same.
#[test]
fn of_the_stream_keyed_by_path_the_last_record_of_each_path_remains() {
    let stream = String::from_utf8(pack::inflate("kafka-file-changes.jsonl")).unwrap();
    let lines: Vec<_> = stream.lines().map(|line| (line, key_and_time(line))).collect();
    let path = tempfile::tempdir().unwrap();
    let directory = Directory::open(path.path()).unwrap();
    let partition = directory.create_compacted("file-changes").unwrap();
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, batch) in lines.chunks(500).enumerate() {
        let records: Vec<_> = batch
            .iter()
            .map(|(line, (key, time))| (key.as_bytes(), line.as_bytes(), *time))
            .collect();
        partition.append(&records, "none").unwrap();
        for (at, (_, (key, _))) in batch.iter().enumerate() {
            wanted.insert(key, number * 500 + at);
        }
    }
    partition.roll().unwrap();
    directory.clean("file-changes").unwrap();
    let mut offsets: Vec<usize> = wanted.values().copied().collect();
    offsets.sort_unstable();
    holds_only(&partition, &lines, &offsets);
    drop(partition);
    directory.close().unwrap();
    let directory = Directory::open(path.path()).unwrap();
    holds_only(&directory.partition("file-changes", 0).unwrap(), &lines, &offsets);
}

fn holds_only(
    partition: &crate::engine::Partition,
    lines: &[(&str, (String, i64))],
    offsets: &[usize],
) {
    let (records, end) = reading::read_all(partition, 1 << 20, false).unwrap();
    assert_eq!((records.len(), end), (offsets.len(), lines.len() as i64));
    for (record, &offset) in records.iter().zip(offsets) {
        let (line, (key, time)) = &lines[offset];
        assert_eq!((record.offset, record.timestamp), (offset as i64, *time));
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "at {offset}");
        assert_eq!(record.value, Payload::Bytes(line.as_bytes().to_vec()), "at {offset}");
    }
}
