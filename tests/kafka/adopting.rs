//! Directories of real brokers, adopted: written to here, given back, taken back by Kafka.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::engine::Directory;
use crate::pack::Broker;
use crate::truth::{self, Truth};
use crate::{NOW_MS, files_beneath, reading};

const MARKER: &str = ".kafka_cleanshutdown";
const LINES: &str = "replication-offset-checkpoint";
/// Every state of a broker's directory.
const STATES: [(&str, &str); 7] = [
    ("2.8.2", "clean"),
    ("4.3.1", "clean"),
    ("4.3.1", "unclean"),
    ("4.3.1", "reopened"),
    ("3.9.2", "clean"),
    ("3.9.2", "unclean"),
    ("3.9.2", "reopened"),
];

/// Every file beneath a directory, without zeros at its end.
fn content(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| {
        let mut bytes = fs::read(path.join(&name)).unwrap();
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        (name, bytes)
    };
    files_beneath(path).into_iter().map(read).collect()
}

/// What must stay of what Kafka left: nothing of another partition's, no record.
fn assert_kept(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in before {
        let is_log = name.as_bytes().ends_with(b".log");
        let is_settled = name.contains("-delete/")
            || name.starts_with("__cluster_metadata-0/")
            || name.ends_with("partition.metadata")
            || ["meta.properties", "bootstrap.checkpoint", "cleaner-offset-checkpoint"]
                .contains(&name.as_str());
        let now = after.get(name);
        if is_settled {
            assert_eq!(now, Some(bytes), "{name}");
        } else if is_log {
            assert!(now.is_some_and(|now| now.starts_with(bytes)), "{name}: its bytes changed");
        }
    }
}

fn marker(path: &Path) -> String {
    fs::read_to_string(path.join(MARKER)).unwrap_or_default()
}

/// Appends a record to each partition that clients read; where it went.
fn append_to_all(directory: &Directory, truths: &[Truth], value: &[u8]) -> Vec<i64> {
    let append = |truth: &Truth| {
        let of = &truth.offsets;
        let partition = directory.partition(&of.topic, of.partition).unwrap();
        let at = partition.bounds().unwrap().log_end;
        let appended = partition.append(&[(b"key", value, NOW_MS)], "none");
        appended.unwrap_or_else(|error| panic!("{}-{}: {error}", of.topic, of.partition));
        at
    };
    truths.iter().map(append).collect()
}

/// That each partition has what its clients read, and behind it a record for each of `appended`.
fn assert_all_there(directory: &Directory, truths: &[Truth], appended: &[Vec<i64>]) {
    for (number, truth) in truths.iter().enumerate() {
        let of = &truth.offsets;
        let partition = directory.partition(&of.topic, of.partition).unwrap();
        let (mut records, _) = reading::read_all(&partition, 1 << 20, false).unwrap();
        let ours = records.split_off(truth.records.len());
        let difference = reading::first_difference(&records, &truth.records);
        assert_eq!(difference, None, "{}-{}", of.topic, of.partition);
        let ours: Vec<_> = ours.iter().map(|record| record.offset).collect();
        let wanted: Vec<_> = appended.iter().map(|appended| appended[number]).collect();
        assert_eq!(ours, wanted, "{}-{}", of.topic, of.partition);
    }
}

/// What Kafka does first when it opens the directory: it drops our line, and the marker.
fn kafka_starts(path: &Path) {
    let text = fs::read_to_string(path.join(LINES)).unwrap();
    let kept: Vec<_> = text.lines().skip(2).filter(|l| !l.starts_with("strandline")).collect();
    fs::write(path.join(LINES), format!("0\n{}\n{}\n", kept.len(), kept.join("\n"))).unwrap();
    let _ = fs::remove_file(path.join(MARKER));
}

#[test]
fn every_broker_s_directory_is_adopted_written_to_given_back_and_keeps_what_kafka_wrote() {
    for (version, state) in STATES {
        let broker = Broker::unpack(version, state);
        let path = broker.log_directory();
        let (before, truths) = (content(&path), truth::partitions(&broker));
        let marker_before = marker(&path);
        let refused = Directory::open(&path).map(drop).unwrap_err();
        assert!(refused.message.contains("written by Kafka"), "{refused}");
        assert_eq!(content(&path), before, "{version} {state}: refused, and so untouched");

        let directory = Directory::adopt(&path, NOW_MS).unwrap();
        let first = append_to_all(&directory, &truths, b"from strandline");
        assert!(!path.join(MARKER).exists(), "it stands only while every log is closed");
        directory.close().unwrap();
        assert_kept(&before, &content(&path));
        // Given back as it was left, with the epoch that the broker's controller knows.
        // Before KIP-966 the marker is empty.
        let epoch = if marker_before.is_empty() { unknown_epoch() } else { marker_before };
        assert_eq!(marker(&path), epoch, "{version} {state}");

        // From now on it is a store; and when Kafka was here again, it still is.
        let directory = Directory::open_at(&path, NOW_MS).unwrap();
        assert_all_there(&directory, &truths, std::slice::from_ref(&first));
        directory.close().unwrap();
        kafka_starts(&path);
        let directory = Directory::open_at(&path, NOW_MS).unwrap();
        let second = append_to_all(&directory, &truths, b"once more");
        directory.close().unwrap();
        assert_eq!(marker(&path), unknown_epoch(), "Kafka was here, and did not stop in order");
        let directory = Directory::open_read_only(&path, NOW_MS).unwrap();
        assert_all_there(&directory, &truths, &[first, second]);
        assert_kept(&before, &content(&path));
    }
}

fn unknown_epoch() -> String {
    r#"{"version":0,"brokerEpoch":-1}"#.to_owned()
}

#[test]
fn who_adopts_and_writes_nothing_leaves_everything_as_kafka_left_it() {
    let broker = Broker::unpack("4.3.1", "clean");
    let path = broker.log_directory();
    let before = content(&path);
    let directory = Directory::adopt(&path, NOW_MS).unwrap();
    assert_all_there(&directory, &truth::partitions(&broker), &[]);
    directory.close().unwrap();
    let mut after = content(&path);
    let ours: Vec<_> = [".lock", "strandline.owner"].map(|name| after.remove(name)).into();
    assert!(ours.iter().all(Option::is_some));
    assert_eq!(after, before);
}

/// What the metadata log in `VERSION/clean` sets, as Kafka's own tool prints it: the last of each.
fn settings_by_kafka(version: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let cases = crate::pack::dump_cases();
    let case = format!("broker-cases/{version}-clean-__cluster_metadata-0-decoded/stdout");
    let mut settings: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let printed = fs::read_to_string(cases.path().join(case)).unwrap();
    // Snapshots come behind the log, whose later records they do not have.
    let is_of_log = |line: &&str| !line.starts_with("Dumping ") || !line.contains(".checkpoint");
    for line in printed.lines().take_while(is_of_log) {
        let Some((_, json)) = line.split_once("payload: ") else { continue };
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        let data = &json["data"];
        if json["type"] != "CONFIG_RECORD" || data["resourceType"] != 2 {
            continue;
        }
        let word = |name: &str| data[name].as_str().map(str::to_owned);
        let of: &mut BTreeMap<_, _> = settings.entry(word("resourceName").unwrap()).or_default();
        match word("value") {
            Some(value) => of.insert(word("name").unwrap(), value),
            None => of.remove(&word("name").unwrap()),
        };
    }
    settings
}

#[test]
fn topics_have_the_settings_that_kafka_s_own_tool_finds_in_the_metadata_log() {
    for version in ["4.3.1", "3.9.2"] {
        let broker = Broker::unpack(version, "clean");
        let directory = Directory::open_read_only(&broker.log_directory(), NOW_MS).unwrap();
        let mut wanted = settings_by_kafka(version);
        let found = directory.settings().unwrap();
        wanted.retain(|topic, _| found.contains_key(topic));
        assert!(wanted.len() > 20, "{version}: {}", wanted.len());
        for (topic, found) in found {
            assert_eq!(found, wanted.remove(&topic).unwrap_or_default(), "{version} {topic}");
        }
    }
}
