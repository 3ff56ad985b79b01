//! Logs of formats v0 and v1 beyond reading: their indexes, what takes records away, and how they
//! become batches.

use std::fs;

use tempfile::TempDir;

use crate::engine::{Directory, EngineLog};
use crate::pack::{self, Broker};
use crate::recovery_batches::is_log;
use crate::text::{Fields, sha256};
use crate::truth::{self, Record, Truth};
use crate::{NOW_MS, files, reading};

/// A partition of the 2.8.2 broker, by itself, and what its clients read.
struct Old {
    directory: TempDir,
    truth: Truth,
}

fn old(topic: &str) -> Old {
    let broker = Broker::unpack("2.8.2", "clean");
    let directory = tempfile::tempdir().unwrap();
    let from = broker.log_directory().join(format!("{topic}-0"));
    let to = directory.path().join("topic-0");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // A copy would be of today, and that counts where no record has a time.
        fs::rename(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let truth = truth::partitions(&broker);
    let truth = truth.into_iter().find(|truth| truth.offsets.topic == topic).unwrap();
    Old { directory, truth }
}

impl Old {
    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("topic-0")
    }

    fn open(&self, config: &[(&str, &str)], now_ms: i64) -> EngineLog {
        let config: Vec<_> = config.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        EngineLog::open(&self.path(), &config, now_ms).unwrap()
    }
}

fn records(log: &EngineLog) -> Vec<Record> {
    reading::read_all(&log.partition(), 1 << 20, false).unwrap().0
}

/// Each segment by itself is the active one of a log, whose indexes are written when it is closed.
#[test]
fn indexes_built_again_are_kafkas_byte_for_byte() {
    let golden = pack::recovery_variants();
    let mut compared = 0;
    for (topic, variant) in
        [("upgraded", "legacy-upgraded-indexes-missing"), ("v1-gzip", "legacy-v1-gzip-rp0")]
    {
        let base = files::content(&old(topic).path());
        let json = pack::json(&golden.path().join(format!("variants/{variant}.json")));
        let config = json.field("config").as_object().unwrap().iter();
        let config: Vec<_> =
            config.map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())).collect();
        let kafkas = json.field("result").field("filesClosed").field("changed");
        for (name, bytes) in base.iter().filter(|(name, _)| is_log(name)) {
            let alone = tempfile::tempdir().unwrap();
            fs::write(alone.path().join(name), bytes).unwrap();
            let log = EngineLog::open(alone.path(), &config, json.number("nowMs")).unwrap();
            log.close().unwrap();
            for part in ["index", "timeindex"] {
                let name = name.replace("log", part);
                let ours = sha256(&fs::read(alone.path().join(&name)).unwrap());
                let kafkas = kafkas.get(&name).map(|file| file.text("sha256").to_owned());
                // What is as it was is not told.
                assert_eq!(ours, kafkas.unwrap_or_else(|| sha256(&base[&name])), "{topic}: {name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 14);
}

#[test]
fn a_log_of_old_formats_is_written_to_and_its_old_bytes_stay() {
    for topic in ["v0-plain", "v0-snappy", "v1-gzip", "v1-lz4", "upgraded", "compact-v0"] {
        let old = old(topic);
        let before = files::content(&old.path());
        let log = old.open(&[], NOW_MS);
        log.partition().append(&[(b"new", b"value", 5)], "lz4").unwrap();
        let mut all = records(&log);
        log.close().unwrap();
        assert_eq!(all.pop().unwrap().key.as_deref(), Some(&b"new"[..]));
        assert_eq!(reading::first_difference(&all, &old.truth.records), None, "{topic}");
        for (name, bytes) in files::content(&old.path()) {
            if is_log(&name) {
                assert!(bytes.starts_with(&before[&name]), "{topic}: {name}");
            }
        }
        let log = old.open(&[], NOW_MS);
        assert_eq!(records(&log).len(), old.truth.records.len() + 1, "{topic}");
    }
}

#[test]
fn retention_takes_the_age_of_v1_from_its_records_and_of_v0_from_its_files() {
    let hour = 3_600_000;
    let age = |ms: i64| ms.to_string();
    // The records are of 2017, the files an hour old.
    for (topic, retention, left) in [
        ("v1-plain", NOW_MS - 1_600_000_000_000, 1),
        ("v1-plain", NOW_MS - 1_400_000_000_000, 3),
        ("v0-plain", hour / 2, 1),
        ("v0-plain", 2 * hour, 3),
    ] {
        let old = old(topic);
        let mut log = old.open(&[("retention.ms", &age(retention))], NOW_MS);
        assert_eq!(log.state().unwrap().segments.len(), 3, "{topic}");
        log.delete_old_segments().unwrap();
        let state = log.state().unwrap();
        assert_eq!(state.segments.len(), left, "{topic} {retention}");
        let start = state.log_start_offset;
        let kept = old.truth.records.iter().filter(|it| it.offset >= start).cloned();
        assert_eq!(records(&log), kept.collect::<Vec<_>>(), "{topic} {retention}");
    }
}

/// A wrapper's header tells its last offset only; nothing that takes records away may need more.
#[test]
fn a_cut_inside_a_wrapper_takes_all_of_it_and_a_log_start_inside_one_hides_what_is_before() {
    let first_wrapper = old("v1-gzip").truth.records;
    for target in [1_i64, 2, 3, 40, 41, 42, 43, 44] {
        let old = old("v1-gzip");
        let mut log = old.open(&[], NOW_MS);
        log.increment_log_start(target).unwrap();
        let kept: Vec<_> = first_wrapper.iter().filter(|it| it.offset >= target).cloned().collect();
        assert_eq!(records(&log), kept, "start {target}");

        let old = self::old("v1-gzip");
        let mut log = old.open(&[], NOW_MS);
        assert!(log.truncate_to(target).unwrap());
        assert_eq!(log.state().unwrap().log_end_offset, target);
        let left = records(&log);
        assert!(left.len() as i64 <= target, "cut {target}");
        assert_eq!(left, first_wrapper[..left.len()], "cut {target}");
    }
}

/// Every record of every partition comes out of the batches that it became as it was.
#[test]
fn old_messages_become_batches_that_hold_the_same_records() {
    let broker = Broker::unpack("2.8.2", "clean");
    let directory = Directory::open_read_only(&broker.log_directory(), NOW_MS).unwrap();
    let (mut wrappers, mut plain) = (0, 0);
    for truth in truth::partitions(&broker) {
        let topic = truth.offsets.topic.as_str();
        let target = tempfile::tempdir().unwrap();
        let new = Directory::open(target.path()).unwrap();
        let to = new.create(topic).unwrap();
        let old = directory.partition(topic, truth.offsets.partition).unwrap();
        let upgraded = old.upgraded_into(&to).unwrap();
        wrappers += upgraded.wrappers;
        plain += upgraded.plain;
        let (ours, _) = reading::read_all(&to, 1 << 20, false).unwrap();
        let without_epoch = |record: Record| Record { leader_epoch: None, ..record };
        let ours: Vec<_> = ours.into_iter().map(without_epoch).collect();
        let kafkas: Vec<_> = truth.records.into_iter().map(without_epoch).collect();
        assert_eq!(reading::first_difference(&ours, &kafkas), None, "{topic}");
    }
    assert!(wrappers > 30 && plain > 30, "{wrappers} {plain}");
}
