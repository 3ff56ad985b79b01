//! Kafka's recovery as a yardstick: damaged directories, and what its log layer makes of each.
//!
//! What must be left is found without the engine: the batches that are whole in the damaged files,
//! and the records that clients read from them before the damage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::{Directory, Partition};
use crate::pack::{self, Broker};
use crate::recovery_batches::{self as batches, Offsets};
use crate::text::{Fields, sha256};
use crate::truth::{self, Record, Truth};

/// The document that tells where the outcome is another than Kafka's.
const DOCUMENT: &str = include_str!("../../docs/kafka-recovery.md");

/// The outcome of every variant, by name. Taken once for all tests.
static OUTCOMES: LazyLock<BTreeMap<String, Outcome>> = LazyLock::new(outcomes);

/// One damaged directory.
struct Variant {
    json: Value,
    /// The log directory, with the partition in it.
    directory: TempDir,
    topic: String,
}

/// What became of a variant.
struct Outcome {
    /// The records that whole batches hold, by the damaged files alone.
    intact: BTreeMap<i64, Record>,
    kafka: Left,
    /// As a reader finds it, and after a first append, a close and another opening.
    read_only: Result<Left, String>,
    written: Result<Left, String>,
}

/// What an engine left of a log.
#[derive(Clone, Debug, Default, PartialEq)]
struct Left {
    /// Why it did not open.
    refused: bool,
    records: BTreeMap<i64, Record>,
    log_start: i64,
    log_end: i64,
    /// Offsets that are reported as damaged.
    damaged: Vec<(i64, i64)>,
    /// Bytes that were cut off and kept.
    quarantined: u64,
}

fn outcomes() -> BTreeMap<String, Outcome> {
    let golden = pack::recovery_variants();
    let brokers = [("4.3.1", "clean"), ("4.3.1", "unclean"), ("2.8.2", "clean")]
        .map(|(version, state)| (format!("brokers/{version}/{state}"), version, state))
        .map(|(path, version, state)| (path, Broker::unpack(version, state)))
        .map(|(path, broker)| (path, truth::partitions(&broker), broker));
    let variants = names(&golden.path().join("variants"));
    let all = |names: &[String]| -> Vec<(String, Outcome)> {
        let one = |name: &String| {
            let json = pack::json(&golden.path().join("variants").join(name));
            let (parent, partition) = json.text("base").rsplit_once('/').unwrap();
            let (_, truth, broker) = brokers.iter().find(|(path, ..)| path == parent).unwrap();
            let base = broker.log_directory().join(partition);
            let topic = partition.strip_suffix("-0").unwrap();
            let truth = truth.iter().find(|truth| truth.offsets.topic == topic).unwrap();
            (json.text("name").to_owned(), outcome(&json, &base, topic, truth))
        };
        names.iter().map(one).collect()
    };
    // They wait for the disk most of the time.
    std::thread::scope(|scope| {
        let parts: Vec<_> = variants.chunks(6).map(|part| scope.spawn(|| all(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

fn outcome(json: &Value, base: &Path, topic: &str, truth: &Truth) -> Outcome {
    let variant = Variant::make(json, base, topic);
    let damaged = variant.directory.path().join(format!("{topic}-0"));
    let log_start = json.number("logStartOffset");
    let records = |offsets: &Offsets, log_start: i64| -> BTreeMap<i64, Record> {
        let kept = truth.records.iter().filter(|it| it.offset >= log_start);
        let kept = kept.filter(|it| offsets.contains(it.offset));
        kept.map(|it| (it.offset, it.clone())).collect()
    };
    let firsts = batches::Firsts::of(base);
    let intact = records(&batches::intact(&damaged, &firsts), log_start);
    let kafka = match json.field("result").get("state") {
        None => Left { refused: true, ..Left::default() },
        Some(state) => Left {
            records: records(&kept_by_kafka(json, base, &damaged), state.number("logStartOffset")),
            log_start: state.number("logStartOffset"),
            log_end: state.number("logEndOffset"),
            ..Left::default()
        },
    };
    let read_only = variant.read_only();
    Outcome { intact, kafka, read_only, written: variant.written() }
}

impl Variant {
    /// Damages a copy of `base` as the recipe says, and checks that it became what Kafka was given.
    fn make(json: &Value, base: &Path, topic: &str) -> Variant {
        let directory = tempfile::tempdir().unwrap();
        let partition = directory.path().join(format!("{topic}-0"));
        fs::create_dir(&partition).unwrap();
        let undamaged = names(base);
        for name in &undamaged {
            fs::copy(base.join(name), partition.join(name)).unwrap();
        }
        for operation in json.list("operations") {
            batches::damage(&partition, operation);
        }
        let damaged = json.field("result").field("damaged");
        for (name, file) in damaged.field("changed").as_object().unwrap() {
            let bytes = fs::read(partition.join(name)).unwrap();
            assert_eq!(sha256(&bytes), file.text("sha256"), "{}: {name}", json.text("name"));
        }
        for name in damaged.list("gone") {
            assert!(!partition.join(name.as_str().unwrap()).exists(), "{name}");
        }
        let checkpoint = |name: &str, lines: &str| {
            let count = lines.lines().count();
            fs::write(directory.path().join(name), format!("0\n{count}\n{lines}")).unwrap();
        };
        let line = |offset: i64| format!("{topic} 0 {offset}\n");
        checkpoint("recovery-point-offset-checkpoint", &line(json.number("recoveryPoint")));
        checkpoint("log-start-offset-checkpoint", &line(json.number("logStartOffset")));
        checkpoint("replication-offset-checkpoint", "");
        if json.flag("cleanShutdown") {
            let marker = r#"{"version":0,"brokerEpoch":1}"#;
            fs::write(directory.path().join(".kafka_cleanshutdown"), marker).unwrap();
        }
        Variant { json: json.clone(), directory, topic: topic.to_owned() }
    }

    /// What a reader finds, who changes nothing.
    fn read_only(&self) -> Result<Left, String> {
        let before = digests(self.directory.path());
        let now = self.json.number("nowMs");
        let directory = Directory::open_read_only(self.directory.path(), now);
        let directory = directory.map_err(|error| error.to_string())?;
        let partition = directory.partition(&self.topic, 0).map_err(|error| error.to_string())?;
        let left = left(&partition)?;
        assert_eq!(digests(self.directory.path()), before, "reading changed a file");
        Ok(left)
    }

    /// What is left when a record was appended, the store closed and opened again.
    fn written(&self) -> Result<Left, String> {
        // Only Kafka wrote the directory: with this line somebody else did too.
        if !self.directory.path().join("strandline.owner").exists() {
            let line = "0\n1\nstrandline-opening 0 5\n";
            let path = self.directory.path().join("replication-offset-checkpoint");
            fs::write(path, line).unwrap();
        }
        self.append().map_err(|error| error.to_string())?;
        let opened = Directory::open(self.directory.path()).map_err(|error| error.to_string())?;
        let partition = opened.partition(&self.topic, 0).map_err(|error| error.to_string())?;
        let mut left = left(&partition)?;
        let is_ours = |record: &Record| record.key.as_deref() == Some(b"appended");
        let mut appended = 0;
        while let Some(last) = left.records.last_entry().filter(|last| is_ours(last.get())) {
            assert_eq!(last.key() + 1, left.log_end);
            (left.log_end, appended) = (*last.key(), appended + 1);
            last.remove();
        }
        assert!(appended > 0, "the appended record is gone");
        left.quarantined = self.quarantined();
        Ok(left)
    }

    fn append(&self) -> Result<(), crate::engine::Failure> {
        let opened = Directory::open(self.directory.path())?;
        opened.partition(&self.topic, 0)?.append(&[(b"appended", b"value", 1)], "none")?;
        opened.close()
    }

    fn quarantined(&self) -> u64 {
        let kept = self.directory.path().join(format!("{}-0/quarantine", self.topic));
        let Ok(entries) = fs::read_dir(kept) else { return 0 };
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }
}

fn left(partition: &Partition) -> Result<Left, String> {
    let bounds = partition.bounds().map_err(|error| error.to_string())?;
    let read = partition.read_around_damage().map_err(|error| error.to_string())?;
    Ok(Left {
        refused: false,
        records: read.0.into_iter().map(|record| (record.offset, record)).collect(),
        log_start: bounds.log_start,
        log_end: bounds.log_end,
        damaged: read.1,
        quarantined: 0,
    })
}

/// The offsets of the whole batches in the files that Kafka left. Of those only digests are known:
/// each is the beginning of a file that was there.
fn kept_by_kafka(json: &Value, base: &Path, damaged: &Path) -> Offsets {
    let closed = json.field("result").field("filesClosed");
    let (changed, gone) = (closed.field("changed"), closed.list("gone"));
    let is_log = |name: &String| batches::is_log(name);
    let firsts = batches::Firsts::of(base);
    let mut logs: BTreeSet<_> = names(base).into_iter().filter(is_log).collect();
    logs.retain(|name| !gone.iter().any(|it| it.as_str() == Some(name)));
    logs.extend(changed.as_object().unwrap().keys().filter(|name| is_log(name)).cloned());
    let mut offsets = Offsets::default();
    for name in logs {
        let bytes = match changed.get(&name) {
            None => fs::read(base.join(&name)).unwrap(),
            Some(file) => {
                let (size, digest) = (file.number("size") as usize, file.text("sha256"));
                let all = names(damaged).into_iter().map(|name| fs::read(damaged.join(name)));
                let beginning = |bytes: Vec<u8>| Some(bytes.get(..size)?.to_vec());
                let mut all = all.filter_map(|bytes| beginning(bytes.unwrap()));
                let found = all.find(|bytes| sha256(bytes) == digest);
                found.unwrap_or_else(|| panic!("{}: {name} is new", json.text("name")))
            }
        };
        offsets.extend(batches::whole_in_front(&bytes, &firsts));
    }
    offsets
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn digests(directory: &Path) -> BTreeMap<String, String> {
    let digest = |name: String| {
        let digest = sha256(&fs::read(directory.join(&name)).unwrap());
        (name, digest)
    };
    crate::files_beneath(directory).into_iter().map(digest).collect()
}

/// What is not compared of a record: a leader epoch lies outside the checksum.
fn content(records: &BTreeMap<i64, Record>) -> BTreeMap<i64, Record> {
    let without =
        |(at, record): (&i64, &Record)| (*at, Record { leader_epoch: None, ..record.clone() });
    records.iter().map(without).collect()
}

/// How `ours` differs from what must be there.
fn difference(ours: &Left, wanted: &BTreeMap<i64, Record>) -> Option<String> {
    let (ours, wanted) = (content(&ours.records), content(wanted));
    let missing: Vec<_> = wanted.keys().filter(|at| !ours.contains_key(at)).collect();
    let extra: Vec<_> = ours.keys().filter(|at| !wanted.contains_key(at)).collect();
    let altered = |at: &&i64| ours.get(at).is_some_and(|record| *record != wanted[at]);
    let other: Vec<_> = wanted.keys().filter(altered).collect();
    let same = missing.is_empty() && extra.is_empty() && other.is_empty();
    (!same).then(|| format!("missing {missing:?}, not expected {extra:?}, altered {other:?}"))
}

#[test]
fn every_intact_record_is_kept_and_so_is_all_that_kafka_keeps() {
    assert_eq!(OUTCOMES.len(), 92);
    let mut wrong = Vec::new();
    for (name, outcome) in OUTCOMES.iter() {
        for (how, ours) in [("read", &outcome.read_only), ("written", &outcome.written)] {
            let text = match ours {
                Err(error) => Some(error.clone()),
                Ok(ours) => difference(ours, &outcome.intact),
            };
            wrong.extend(text.map(|text| format!("{name}, {how}: {text}")));
        }
        let lost = outcome.kafka.records.keys().find(|at| !outcome.intact.contains_key(at));
        wrong.extend(lost.map(|at| format!("{name}: Kafka keeps {at}, which is not intact")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn writing_serves_what_reading_showed() {
    for (name, outcome) in OUTCOMES.iter() {
        let (read, written) = (outcome.read_only.as_ref(), outcome.written.as_ref());
        let Some((read, written)) = read.ok().zip(written.ok()) else { continue };
        let bounds = |left: &Left| (left.log_start, left.log_end, left.damaged.clone());
        assert_eq!(bounds(read), bounds(written), "{name}");
    }
}

/// What is left of the partition `multi-seg-0` of a killed broker, whose recovery point is given,
/// after damage that no variant has: every record, but for those at the offsets that are lost.
fn everything_is_left(
    broker: &Broker,
    operations: &Value,
    recovery_point: i64,
    lost: std::ops::Range<i64>,
) {
    let truth = truth::partitions(broker);
    let truth = truth.iter().find(|truth| truth.offsets.topic == "multi-seg").unwrap();
    let json = serde_json::json!({
        "name": "more", "operations": operations, "cleanShutdown": false,
        "recoveryPoint": recovery_point, "logStartOffset": 0, "nowMs": 1_795_460_000_000_i64,
        "result": {"damaged": {"changed": {}, "gone": []}},
    });
    let base = broker.log_directory().join("multi-seg-0");
    let variant = Variant::make(&json, &base, "multi-seg");
    let wanted = truth.records.iter().filter(|record| !lost.contains(&record.offset));
    let wanted = wanted.map(|record| (record.offset, record.clone())).collect();
    for left in [variant.read_only(), variant.written(), variant.written()] {
        let left = left.unwrap();
        assert_eq!(difference(&left, &wanted), None, "{:?}", left.damaged);
        assert_eq!(left.log_end, 374);
        let damaged = left.damaged.iter().map(|(first, last)| *first..last + 1);
        assert!(damaged.eq((!lost.is_empty()).then_some(lost.clone())), "{:?}", left.damaged);
    }
}

#[test]
fn damage_below_kafkas_recovery_point_costs_its_own_batch_only() {
    let log = "00000000000000000363.log";
    let flip = serde_json::json!([{"op": "xor", "file": log, "at": 459, "mask": 64}]);
    let broker = Broker::unpack("4.3.1", "unclean");
    everything_is_left(&broker, &flip, 374, 369..370);
    everything_is_left(&broker, &flip, 373, 369..370);
}

#[test]
fn a_finished_compaction_takes_the_place_of_what_it_was_made_of() {
    let (log, next) = ("00000000000000000038.log", "00000000000000000077.log");
    let swap = format!("{log}.swap");
    let merge = serde_json::json!([
        {"op": "rename", "from": log, "to": swap},
        {"op": "appendFrom", "file": swap, "from": next, "at": 0, "length": 3907},
    ]);
    everything_is_left(&Broker::unpack("4.3.1", "unclean"), &merge, 363, 0..0);
}

/// The first columns of a variant's row; `None` if the outcome is Kafka's.
fn row(name: &str, outcome: &Outcome) -> Option<String> {
    let ours = outcome.written.as_ref().unwrap();
    let kafka = &outcome.kafka;
    let same = (kafka.refused, kafka.log_start, kafka.log_end)
        == (false, ours.log_start, ours.log_end)
        && kafka.records.keys().eq(ours.records.keys());
    (!same).then(|| format!("| `{name}` | {} | {} |", in_words(kafka), in_words(ours)))
}

fn in_words(left: &Left) -> String {
    if left.refused {
        return "does not start".to_owned();
    }
    let mut words = format!("{} records, ends at {}", left.records.len(), left.log_end);
    if left.log_start > 0 {
        write!(words, ", starts at {}", left.log_start).unwrap();
    }
    for (first, last) in &left.damaged {
        write!(words, ", {first} to {last} damaged").unwrap();
    }
    if left.quarantined > 0 {
        write!(words, ", {} bytes in quarantine", left.quarantined).unwrap();
    }
    words
}

#[test]
fn the_document_tells_each_difference_and_why() {
    let rows: Vec<_> = OUTCOMES.iter().filter_map(|(name, it)| row(name, it)).collect();
    let told: Vec<_> = DOCUMENT.lines().filter(|line| line.starts_with("| `")).collect();
    let all = rows.join("\n");
    assert_eq!(told.len(), rows.len(), "the rows are\n{all}");
    for (row, told) in rows.iter().zip(told) {
        let reason = told.strip_prefix(row.as_str());
        let reason = reason.unwrap_or_else(|| panic!("{told}\nis not {row}\nof\n{all}"));
        assert!(reason.trim_matches([' ', '|']).len() > 20, "{row} needs a reason");
    }
}

#[test]
fn the_document_names_the_variants_that_are_the_same() {
    let same = OUTCOMES.iter().filter(|(name, it)| row(name, it).is_none()).map(|(name, _)| name);
    let same: BTreeSet<_> = same.map(String::as_str).collect();
    assert_eq!(named_under("## The same as Kafka"), same);
}

/// What stands between backquotes under a heading.
fn named_under(heading: &str) -> BTreeSet<&'static str> {
    let (_, behind) = DOCUMENT.split_once(heading).expect("the heading");
    let section = behind.split("\n## ").next().unwrap_or(behind);
    section.split('`').skip(1).step_by(2).collect()
}
