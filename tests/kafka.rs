//! The engine against Kafka itself: directories of real brokers and what real clients read from
//! them, appends and the files that Kafka's log layer makes of them, and a stream of real records.
//!
//! `tests/data/README.md` says where it all comes from.

#[path = "kafka/adopting.rs"]
mod adopting;
#[path = "kafka/cleaning.rs"]
mod cleaning;
#[path = "kafka/engine.rs"]
mod engine;
#[path = "kafka/files.rs"]
mod files;
#[path = "kafka/old_formats.rs"]
mod old_formats;
#[path = "kafka/pack.rs"]
mod pack;
#[path = "kafka/reading.rs"]
mod reading;
#[path = "kafka/recovery.rs"]
mod recovery;
#[path = "kafka/recovery_batches.rs"]
mod recovery_batches;
#[path = "kafka/replay.rs"]
mod replay;
#[path = "kafka/slow_cleaner.rs"]
mod slow_cleaner;
#[path = "kafka/text.rs"]
mod text;
#[path = "kafka/truth.rs"]
mod truth;
#[path = "kafka/vectors.rs"]
mod vectors;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use engine::Directory;
use pack::Broker;
use text::Fields;
use truth::{Payload, Truth};
use vectors::{Op, Vector};

/// An hour after the brokers stopped.
const NOW_MS: i64 = pack::MODIFIED_MS as i64 + 3_600_000;

mod a_brokers_directory_reads_as_its_clients_read_it {
    use super::{Broker, reads_as_clients_read_it};

    #[test]
    fn stopped_cleanly_4_3_1() {
        reads_as_clients_read_it(&Broker::unpack("4.3.1", "clean"));
    }

    #[test]
    fn killed_4_3_1() {
        reads_as_clients_read_it(&Broker::unpack("4.3.1", "unclean"));
    }

    #[test]
    fn recovered_by_kafka_4_3_1() {
        reads_as_clients_read_it(&Broker::unpack("4.3.1", "reopened"));
    }

    #[test]
    fn stopped_cleanly_3_9_2() {
        reads_as_clients_read_it(&Broker::unpack("3.9.2", "clean"));
    }

    #[test]
    fn killed_3_9_2() {
        reads_as_clients_read_it(&Broker::unpack("3.9.2", "unclean"));
    }

    #[test]
    fn recovered_by_kafka_3_9_2() {
        reads_as_clients_read_it(&Broker::unpack("3.9.2", "reopened"));
    }

    /// Messages of formats v0 and v1, plain and wrapped in each codec, alone and beside batches.
    #[test]
    fn stopped_cleanly_2_8_2() {
        reads_as_clients_read_it(&Broker::unpack("2.8.2", "clean"));
    }
}

/// Each partition that clients read, and that reading changes no file.
fn reads_as_clients_read_it(broker: &Broker) {
    let directory = Directory::open_read_only(&broker.log_directory(), NOW_MS).unwrap();
    let listed = directory.partitions().unwrap();
    assert!(!listed.iter().any(|(topic, _)| topic.contains("to.be_deleted")), "{listed:?}");

    let mut differences = Vec::new();
    for truth in truth::partitions(broker) {
        let (topic, number) = (truth.offsets.topic.clone(), truth.offsets.partition);
        assert!(listed.contains(&(topic.clone(), number)), "{topic}-{number} is not listed");
        differences.extend(in_partition(&directory, &truth));
    }
    assert!(differences.is_empty(), "{}", summary(&differences));
    drop(directory);
    is_as_the_manifest_says(broker);
}

fn in_partition(directory: &Directory, truth: &Truth) -> Vec<String> {
    let name = format!("{}-{}", truth.offsets.topic, truth.offsets.partition);
    match directory.partition(&truth.offsets.topic, truth.offsets.partition) {
        Ok(partition) => reading::differences(&partition, truth)
            .into_iter()
            .map(|difference| format!("{name}: {difference}"))
            .collect(),
        Err(error) => vec![format!("{name}: cannot be opened: {error}")],
    }
}

fn is_as_the_manifest_says(broker: &Broker) {
    let mut unknown = files_beneath(&broker.log_directory());
    for file in broker.manifest() {
        let path = file.text("path");
        let bytes = fs::read(broker.log_directory().join(path)).unwrap();
        unknown.remove(path);
        match file.maybe_number("storedBytes") {
            // Ten megabytes of zeros are not worth a digest.
            Some(stored) => {
                assert_eq!(bytes.len() as i64, file.number("size"), "{path}");
                assert!(bytes[stored as usize..].iter().all(|&byte| byte == 0), "{path}");
            }
            None => assert_eq!(text::sha256(&bytes), file.text("sha256"), "{path} has changed"),
        }
    }
    assert!(unknown.is_empty(), "new files: {unknown:?}");
}

fn files_beneath(directory: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_beneath(&entry.path()).iter().map(|file| format!("{name}/{file}")));
        } else {
            files.insert(name);
        }
    }
    files
}

#[test]
fn packs_unpack_to_what_their_manifests_say() {
    for version in ["4.3.1", "3.9.2"] {
        for state in ["clean", "unclean", "reopened"] {
            is_as_the_manifest_says(&Broker::unpack(version, state));
        }
    }
    is_as_the_manifest_says(&Broker::unpack("2.8.2", "clean"));
}

#[test]
fn a_directory_tells_whose_it_is() {
    for (version, cluster) in
        [("4.3.1", "c3RyYW5kbGluZS1nb2xkQQ"), ("2.8.2", "3qU8GPk9R5WB1I25YbsdKQ")]
    {
        let broker = Broker::unpack(version, "clean");
        let directory = Directory::open_read_only(&broker.log_directory(), NOW_MS).unwrap();
        assert_eq!(directory.broker().unwrap(), (Some(cluster.into()), Some(1)), "{version}");
    }
}

#[test]
fn three_segments_that_kafka_wrote_hold_300_records() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = include_bytes!("data/kafka-written-300-records-fixture.tar");
    tar::Archive::new(fixture.as_slice()).unpack(directory.path()).unwrap();
    fs::rename(directory.path().join("d0"), directory.path().join("fixture-0")).unwrap();
    let opened = Directory::open_read_only(directory.path(), NOW_MS).unwrap();
    let partition = opened.partition("fixture", 0).unwrap();
    let (records, end) = reading::read_all(&partition, 1 << 20, false).unwrap();
    let offsets: Vec<_> = records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..300).collect::<Vec<_>>());
    assert_eq!(end, 300);
}

/// A test for each vector, and the list of them.
macro_rules! vectors {
    ($($test:ident $name:literal)*) => {
        const VECTORS: &[&str] = &[$($name),*];

        mod the_same_appends_give_the_same_bytes {
            $(#[test]
            fn $test() {
                super::gives_the_same_bytes($name);
            })*
        }
    };
}

vectors! {
    big_batches "big-batches"
    compact_none "compact-none"
    codec_gzip "codec-gzip"
    codec_lz4 "codec-lz4"
    codec_snappy "codec-snappy"
    codec_zstd "codec-zstd"
    delete_records "delete-records"
    empty "empty"
    far_offsets "far-offsets"
    follower "follower"
    index_full "index-full"
    index_none "index-none"
    interval_0 "interval-0"
    interval_default "interval-default"
    leader_epochs "leader-epochs"
    log_append_time "log-append-time"
    mixed_1 "mixed-1"
    mixed_2 "mixed-2"
    mixed_3 "mixed-3"
    mixed_4 "mixed-4"
    mixed_5 "mixed-5"
    mixed_6 "mixed-6"
    no_timestamps "no-timestamps"
    one_record "one-record"
    preallocated "preallocated"
    producers "producers"
    record_shapes "record-shapes"
    refused "refused"
    refused_compacted "refused-compacted"
    reopen "reopen"
    retention_bytes "retention-bytes"
    retention_ms "retention-ms"
    roll_by_size "roll-by-size"
    roll_by_time "roll-by-time"
    start_over_at "start-over-at"
    timestamps_out_of_order "timestamps-out-of-order"
    transactions "transactions"
    transactions_v2 "transactions-v2"
    truncate "truncate"
    truncate_to_zero "truncate-to-zero"
}

fn gives_the_same_bytes(name: &str) {
    let json = format!("{name}.json");
    let kafkas = pack::write_vectors(&[&json, &format!("files/{name}")]);
    let vector = Vector::read(&kafkas.path().join(json));
    let ours = tempfile::tempdir().unwrap();
    if let Err(difference) = replay::replay(&vector, ours.path()) {
        panic!("{name}: {difference}");
    }
    let differences = files::differences(ours.path(), &kafkas.path().join("files").join(name));
    assert!(differences.is_empty(), "{name}\n{}", differences.join("\n"));
}

#[test]
fn every_vector_is_replayed() {
    let kafkas = pack::write_vectors(&[]);
    let mut all: BTreeSet<_> = all_vectors(kafkas.path()).into_iter().map(|it| it.name).collect();
    // Compaction compresses again, with bytes of its own: see `cleaning`.
    assert!(all.remove("compact-lz4"));
    assert_eq!(all, VECTORS.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn building_a_batch_gives_the_bytes_that_kafka_builds() {
    let kafkas = pack::write_vectors(&[]);
    let mut built = 0;
    for vector in all_vectors(kafkas.path()).iter().filter(|vector| vector.byte_exact) {
        for (number, step) in vector.steps.iter().enumerate() {
            if let Op::AppendAsLeader { sent, .. } = &step.op {
                let ours = engine::build(sent).unwrap();
                assert!(ours == sent.bytes, "{} step {number}", vector.name);
                built += 1;
            }
        }
    }
    assert!(built > 800, "only {built} batches");
}

#[test]
fn what_kafkas_log_layer_wrote_reads_as_it_was_sent() {
    let kafkas = pack::write_vectors(&[]);
    let mut differences = Vec::new();
    for vector in all_vectors(kafkas.path()) {
        if vector.cleans() {
            continue;
        }
        let log_directory = tempfile::tempdir().unwrap();
        let files = kafkas.path().join("files").join(&vector.name);
        fs::rename(files, log_directory.path().join("topic-0")).unwrap();
        let start = format!("0\n1\ntopic 0 {}\n", vector.state.log_start_offset);
        fs::write(log_directory.path().join("log-start-offset-checkpoint"), start).unwrap();
        fs::write(log_directory.path().join(".kafka_cleanshutdown"), "").unwrap();

        let read = Directory::open_read_only(log_directory.path(), NOW_MS)
            .and_then(|directory| directory.partition("topic", 0))
            .and_then(|partition| reading::read_all(&partition, 1 << 20, false));
        let difference = match read {
            Ok((ours, _)) => reading::first_difference(&ours, &replay::remaining(&vector)),
            Err(error) => Some(error.to_string()),
        };
        differences.extend(difference.map(|text| format!("{}: {text}", vector.name)));
    }
    assert!(differences.is_empty(), "{}", summary(&differences));
}

fn all_vectors(directory: &Path) -> Vec<Vector> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let json = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    json.map(|path| Vector::read(&path)).collect()
}

mod the_whole_stream_comes_out_as_it_went_in {
    #[test]
    fn uncompressed() {
        super::comes_out_as_it_went_in("none");
    }

    #[test]
    fn gzip() {
        super::comes_out_as_it_went_in("gzip");
    }

    #[test]
    fn snappy() {
        super::comes_out_as_it_went_in("snappy");
    }

    #[test]
    fn lz4() {
        super::comes_out_as_it_went_in("lz4");
    }

    #[test]
    fn zstd() {
        super::comes_out_as_it_went_in("zstd");
    }
}

/// Records in the stream.
const STREAM: usize = 99_515;

/// Appends every line, reads all of them, and again after closing and opening; then looks some up.
fn comes_out_as_it_went_in(codec: &str) {
    let stream = String::from_utf8(pack::inflate("kafka-file-changes.jsonl")).unwrap();
    let lines: Vec<_> = stream.lines().map(|line| (line, key_and_time(line))).collect();
    assert_eq!(lines.len(), STREAM);

    let path = tempfile::tempdir().unwrap();
    let directory = Directory::open(path.path()).unwrap();
    let partition = directory.create("file-changes").unwrap();
    for batch in lines.chunks(500) {
        let record = |(line, (key, time)): &'_ (&'_ str, (String, i64))| {
            (key.clone().into_bytes(), line.as_bytes().to_vec(), *time)
        };
        let owned: Vec<_> = batch.iter().map(record).collect();
        let records: Vec<_> =
            owned.iter().map(|(key, line, time)| (&key[..], &line[..], *time)).collect();
        partition.append(&records, codec).unwrap();
    }
    holds_the_stream(&partition, &lines);
    drop(partition);
    directory.close().unwrap();

    let directory = Directory::open(path.path()).unwrap();
    let partition = directory.partition("file-changes", 0).unwrap();
    holds_the_stream(&partition, &lines);
    looks_up_as_a_scan_does(&partition, &lines);
}

/// A thousand look-ups by offset and a thousand by time, each against the stream itself.
fn looks_up_as_a_scan_does(partition: &engine::Partition, lines: &[(&str, (String, i64))]) {
    assert!(partition.segments().unwrap() > 1);
    let mut dice = 0x5d1f_9c02_u64;
    let mut below = |end: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as usize % end
    };
    for _ in 0..1000 {
        let offset = below(STREAM);
        let (records, _) = partition.fetch(offset as i64, 1, false).unwrap();
        assert_eq!(records[0].offset, offset as i64);
        assert_eq!(records[0].value, Payload::Bytes(lines[offset].0.as_bytes().to_vec()));
        // Near a record's own time, where a wrong answer is likely.
        let time = lines[below(STREAM)].1.1 + below(2001) as i64 - 1000;
        let first = lines.iter().position(|(_, (_, of))| *of >= time);
        let found = partition.offset_for_time(time, false).unwrap();
        assert_eq!(found.map(|found| found.offset as usize), first, "at or after {time}");
    }
}

fn key_and_time(line: &str) -> (String, i64) {
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    (json.text("path").to_owned(), json.number("time"))
}

fn holds_the_stream(partition: &engine::Partition, lines: &[(&str, (String, i64))]) {
    let (records, end) = reading::read_all(partition, 1 << 20, false).unwrap();
    assert_eq!((records.len(), end), (STREAM, STREAM as i64));
    for ((record, (line, (key, time))), offset) in records.iter().zip(lines).zip(0..) {
        assert_eq!(record.offset, offset);
        assert_eq!(record.timestamp, *time, "at {offset}");
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "at {offset}");
        assert_eq!(record.value, Payload::Bytes(line.as_bytes().to_vec()), "at {offset}");
        assert_eq!(record.headers, [], "at {offset}");
    }
}

/// The first differences, and how many there are.
fn summary(differences: &[String]) -> String {
    let first = differences.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    format!("{} differences, the first of them:\n{first}", differences.len())
}
