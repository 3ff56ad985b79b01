//! What several of these tests need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use strandline::{
    Batch, Clock, Durability, FetchOptions, Log, Record, Store, StoreOptions, TopicOptions,
};

/// When these tests begin: 2023-11-14.
pub(crate) const START: i64 = 1_700_000_000_000;
pub(crate) const MINUTE: i64 = 60_000;

/// A directory of its own, and where a store goes in it.
pub(crate) fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    (dir, path)
}

/// A directory in memory where there is one: making many partitions is a matter of syncs.
pub(crate) fn fast_place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("data");
    (dir, path)
}

/// Options with a clock that stands at [`START`] and no thread.
pub(crate) fn by_hand() -> (StoreOptions, Clock) {
    let clock = Clock::manual(START);
    (Store::options().clock(clock.clone()).housekeeping(false), clock)
}

pub(crate) fn open(path: &Path) -> Store {
    by_hand().0.open(path).unwrap()
}

pub(crate) fn open_read_only(path: &Path) -> Store {
    by_hand().0.read_only(true).open(path).unwrap()
}

/// Appends one record.
pub(crate) fn append(log: &Log, value: &str) -> i64 {
    log.append(Batch::of([Record::new().value(value)]), Durability::Synced).unwrap().base_offset
}

/// The values of all records.
pub(crate) fn values(log: &Log) -> Vec<String> {
    let mut values = Vec::new();
    let mut from = log.log_start_offset().unwrap();
    loop {
        let fetched = log.fetch(from, FetchOptions::new()).unwrap();
        if fetched.is_empty() {
            return values;
        }
        for record in fetched.records() {
            let value = record.unwrap().value().unwrap_or_default().to_vec();
            values.push(String::from_utf8(value).unwrap());
        }
        from = fetched.next_offset();
    }
}

/// A store with one topic and one record in it, closed.
pub(crate) fn closed_store(path: &Path) {
    let store = open(path);
    let log = store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap();
    append(&log, "one");
    store.close().unwrap();
}

/// Every file beneath `path` with its bytes and times; directories have none of the former.
pub(crate) fn tree(path: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut tree = BTreeMap::new();
    let mut left = vec![path.to_path_buf()];
    while let Some(path) = left.pop() {
        let about = path.symlink_metadata().unwrap();
        let mut bytes = Vec::new();
        if about.is_dir() {
            left.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        } else {
            bytes = std::fs::read(&path).unwrap();
        }
        tree.insert(path, (bytes, about.modified().unwrap()));
    }
    tree
}

/// The names in a directory, sorted.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let entries = path.read_dir().unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn text(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Takes away what is ours, so that only Kafka could have written the directory.
pub(crate) fn make_kafkas(path: &Path) {
    for name in ["strandline.owner", "strandline.topics", ".lock"] {
        std::fs::remove_file(path.join(name)).unwrap();
    }
    let file = path.join("replication-offset-checkpoint");
    let lines = text(file.clone());
    let kept: Vec<_> = lines.lines().skip(2).filter(|l| !l.starts_with("strandline")).collect();
    std::fs::write(file, format!("0\n{}\n{}\n", kept.len(), kept.join("\n"))).unwrap();
    for entry in path.read_dir().unwrap() {
        for name in ["segments.manifest", "durable.watermark"] {
            let _ = std::fs::remove_file(entry.as_ref().unwrap().path().join(name));
        }
    }
}
