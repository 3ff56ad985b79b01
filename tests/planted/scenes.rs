//! One small scene for each bug that shows without a loss of power. A killed process is a copy of
//! its directory, taken while it still runs.

use std::fs;
use std::path::{Path, PathBuf};

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::testing;
use strandline::{
    Batch, Clock, Durability, Error, FetchOptions, Isolation, Log, Record, Store, TopicOptions,
};

const NOW: i64 = 1_700_000_000_000;
const LOG: &str = "events-0/00000000000000000000.log";
const CHECKPOINT: &str = "replication-offset-checkpoint";

struct Scene {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        Scene { _dir: dir, path }
    }

    /// The store, and its only log.
    fn open(&self) -> (Store, Log) {
        let options = Store::options().clock(Clock::manual(NOW)).housekeeping(false);
        let store = options.open(&self.path).unwrap();
        let topic = store.topic("events");
        let topic =
            topic.unwrap_or_else(|_| store.create_topic("events", TopicOptions::new()).unwrap());
        (store, topic.partition(0).unwrap())
    }

    /// As it would be if the process were killed now.
    fn killed(&self) -> Scene {
        let after = Scene::new();
        copy(&self.path, &after.path);
        after
    }

    /// With records that were acknowledged, by a process that was killed.
    fn with(values: &[&str]) -> Scene {
        let scene = Scene::new();
        let (_store, log) = scene.open();
        for value in values {
            append(&log, value);
        }
        scene.killed()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path.join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path.join(name), bytes).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn append(log: &Log, value: &str) {
    log.append(Batch::of([Record::new().value(value)]), Durability::Synced).unwrap();
}

fn values_for(log: &Log, isolation: Isolation) -> Vec<String> {
    let (mut values, mut from) = (Vec::new(), 0);
    while from < log.log_end_offset().unwrap() {
        let fetched = log.fetch(from, FetchOptions::new().isolation(isolation)).unwrap();
        for record in fetched.records() {
            let value = record.unwrap().value().unwrap().to_vec();
            values.push(String::from_utf8(value).unwrap());
        }
        from = fetched.next_offset();
    }
    values
}

fn values(log: &Log) -> Vec<String> {
    values_for(log, Isolation::ReadUncommitted)
}

fn epoch_of(log: &Log, offset: i64) -> i32 {
    log.epoch_for_offset(offset).unwrap().unwrap().0
}

/// A log of its own, for the inner doors.
fn inner() -> (tempfile::TempDir, testing::Log) {
    let dir = tempfile::tempdir().unwrap();
    let log = testing::Log::open(dir.path(), &[], NOW).unwrap();
    (dir, log)
}

#[test]
fn nothing_is_durable_while_the_sync_is_under_way() {
    let (_dir, log) = inner();
    let during = || {
        assert_eq!(log.acknowledged_end().unwrap(), 0, "before its sync has returned");
        Ok(1)
    };
    log.reach_by(1, during).unwrap();
    assert_eq!(log.acknowledged_end().unwrap(), 1);
}

#[test]
fn a_failed_sync_makes_nothing_durable() {
    let (_dir, log) = inner();
    let error = log.reach_by(1, || Err(Error::TimedOut)).unwrap_err();
    assert!(matches!(error, Error::TimedOut), "{error}");
    assert_eq!(log.acknowledged_end().unwrap(), 0);
}

#[test]
fn a_close_stands_in_both_slots() {
    let scene = Scene::new();
    let (store, log) = scene.open();
    append(&log, "one");
    store.close().unwrap();
    let slots = scene.read("events-0/durable.watermark");
    // All of them but checksum and generation.
    assert_eq!(slots[16..64], slots[528..576]);
}

/// A torn tail behind one record, longer than what comes after it.
fn torn() -> Scene {
    let scene = Scene::with(&["one"]);
    let mut bytes = scene.read(LOG);
    bytes.resize(bytes.len() + 10_000, b'~');
    scene.write(LOG, &bytes);
    let (_store, log) = scene.open();
    append(&log, "two");
    assert_eq!(values(&log), ["one", "two"]);
    scene.killed()
}

#[test]
fn a_torn_tail_is_cut_off() {
    let scene = torn();
    assert!(!scene.read(LOG).contains(&b'~'), "it is still there");
}

#[test]
fn a_torn_tail_is_kept_in_quarantine() {
    let scene = torn();
    let kept = scene.path.join("events-0/quarantine").read_dir();
    assert_eq!(kept.map_or(0, Iterator::count), 1, "files in quarantine");
}

#[test]
fn a_rotten_transaction_index_shows_nothing_that_was_aborted() {
    let scene = Scene::new();
    let (store, log) = scene.open();
    let producer = (ProducerId(7), ProducerEpoch(0));
    let batch = Batch::of([Record::new().value("aborted")]);
    let batch = batch.producer(producer.0, producer.1, Sequence(0)).transactional(true);
    log.append(batch, Durability::Synced).unwrap();
    log.end_transaction(producer, TransactionEnd::Abort, 0, Durability::Synced).unwrap();
    append(&log, "one");
    log.roll().unwrap();
    append(&log, "two");
    store.close().unwrap();

    let index = "events-0/00000000000000000000.txnindex";
    let mut bytes = scene.read(index);
    // Another producer's, if it were believed.
    bytes[9] ^= 1;
    scene.write(index, &bytes);
    let (_store, log) = scene.open();
    assert_eq!(values_for(&log, Isolation::ReadCommitted), ["one", "two"]);
}

#[test]
fn a_loss_after_a_clean_opening_raises_the_epoch() {
    let scene = Scene::new();
    let (store, log) = scene.open();
    append(&log, "one");
    store.close().unwrap();
    let closed = scene.read(LOG);
    let (_store, log) = scene.open();
    log.append(Batch::of([Record::new().value("lost")]), Durability::Written).unwrap();
    let before = epoch_of(&log, 1);

    let scene = scene.killed();
    scene.write(LOG, &closed);
    let (_store, log) = scene.open();
    append(&log, "two");
    assert!(epoch_of(&log, 1) > before, "offset 1 is given again under epoch {before}");
}

#[test]
fn a_batch_that_fails_its_checksum_ends_the_log() {
    let scene = Scene::new();
    let (_store, log) = scene.open();
    append(&log, "one");
    // The mark moves up now and then only; this one lies above it.
    log.append(Batch::of([Record::new().value("two")]), Durability::Written).unwrap();
    let scene = scene.killed();
    let mut bytes = scene.read(LOG);
    let at = bytes.windows(3).rposition(|three| three == b"two").unwrap();
    bytes[at] = b'T';
    scene.write(LOG, &bytes);
    assert_eq!(values(&scene.open().1), ["one"]);
}

#[test]
fn a_batch_from_elsewhere_ends_the_log() {
    let scene = Scene::with(&["one"]);
    let other = Scene::with(&["a", "b", "c", "d"]).read(LOG);
    // Its last batch, at offset 3: each ends with a zero, and zeros may follow the last.
    let end = other.iter().rposition(|byte| *byte != 0).unwrap() + 2;
    let mut bytes = scene.read(LOG);
    bytes.extend_from_slice(&other[end / 4 * 3..end]);
    scene.write(LOG, &bytes);
    let (_store, log) = scene.open();
    assert_eq!((log.log_end_offset().unwrap(), values(&log)), (1, vec!["one".to_owned()]));
}

#[test]
fn a_kill_raises_the_epoch() {
    let scene = Scene::with(&["one"]);
    let (_store, log) = scene.open();
    append(&log, "two");
    assert!(epoch_of(&log, 1) > epoch_of(&log, 0));
}

#[test]
fn what_somebody_else_wrote_stays() {
    let scene = Scene::new();
    let (store, log) = scene.open();
    append(&log, "one");
    store.close().unwrap();
    // Kafka drops our line, and appends under an epoch that we never gave out.
    let lines = String::from_utf8(scene.read(CHECKPOINT)).unwrap();
    let kept: Vec<_> = lines.lines().skip(2).filter(|l| !l.starts_with("strandline")).collect();
    let lines = format!("0\n{}\n{}\n", kept.len(), kept.join("\n"));
    scene.write(CHECKPOINT, lines.as_bytes());
    fs::remove_file(scene.path.join(".kafka_cleanshutdown")).unwrap();
    let mut bytes = scene.read(LOG);
    let mut batch = bytes.clone();
    batch[..8].copy_from_slice(&1_i64.to_be_bytes());
    batch[12..16].copy_from_slice(&9_i32.to_be_bytes());
    bytes.extend_from_slice(&batch);
    scene.write(LOG, &bytes);
    assert_eq!(values(&scene.open().1), ["one", "one"]);
}

#[test]
fn the_lock_file_outlives_the_store() {
    let scene = Scene::new();
    scene.open().0.close().unwrap();
    assert!(scene.path.join(".lock").exists(), "another process could lock another file");
}
