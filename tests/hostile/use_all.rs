//! Everything that a program does with a log, whatever lies there.

use std::fs;
use std::path::{Path, PathBuf};

use strandline::{
    Batch, Clock, Durability, Error, FetchOptions, IndexFile, Isolation, Log, LogFile,
    OffsetIndexEntry, Record, Store, StoreOptions, TimeIndexEntry,
};

/// The topic's name; its one partition is number 0.
pub(crate) const TOPIC: &str = "events";
/// Damage is stepped over so often.
const STEPS: usize = 300;

/// A directory of its own: in memory where there is such a file system, for nothing here is about
/// the disk, and files may be as long there as a file can be.
pub(crate) fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A log directory with one partition, which only Kafka can have written, and that partition.
pub(crate) fn partition() -> (tempfile::TempDir, PathBuf) {
    let directory = place();
    let partition = directory.path().join(format!("{TOPIC}-0"));
    fs::create_dir(&partition).unwrap();
    (directory, partition)
}

/// The name of a file of the segment at `base`.
pub(crate) fn name(base: i64, extension: &str) -> String {
    format!("{base:020}.{extension}")
}

/// Lets a directory pass for one that strandline wrote to once.
pub(crate) fn claim(directory: &Path) {
    let line = "0\n1\nstrandline-opening 0 7\n";
    fs::write(directory.join("replication-offset-checkpoint"), line).unwrap();
}

pub(crate) fn options() -> StoreOptions {
    Store::options().clock(Clock::manual(1_700_000_000_000)).housekeeping(false)
}

/// What came of using a log.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) records: usize,
    pub(crate) errors: Vec<Error>,
}

impl Used {
    fn note<T>(&mut self, result: strandline::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                // What it says must be short, whatever the file holds.
                assert!(error.to_string().len() < 1000, "{error}");
                self.errors.push(error);
                None
            }
        }
    }

    pub(crate) fn has(&self, is: impl Fn(&Error) -> bool) -> bool {
        self.errors.iter().any(is)
    }
}

/// Opens the store for reading and uses the log.
pub(crate) fn read_only(directory: &Path) -> Used {
    let mut used = Used::default();
    let store = used.note(options().read_only(true).open(directory));
    if let Some(store) = &store {
        used.note(store.partitions());
        if let Some(log) = used.note(store.log(TOPIC, 0)) {
            use_log(&log, &mut used);
        }
    }
    used
}

/// Opens it for writing, appends, uses the log and closes the store; then reads it again.
pub(crate) fn written(directory: &Path) -> Used {
    let mut used = Used::default();
    if let Some(store) = used.note(options().open(directory)) {
        if let Some(log) = used.note(store.log(TOPIC, 0)) {
            let batch = Batch::of([Record::new().key("k").value("v")]);
            used.note(log.append(batch, Durability::Synced));
            use_log(&log, &mut used);
        }
        used.note(store.close());
    }
    let again = read_only(directory);
    used.records = again.records;
    used.errors.extend(again.errors);
    used
}

fn use_log(log: &Log, used: &mut Used) {
    used.note(log.last_stable_offset());
    used.note(log.segments());
    used.note(log.offset_for_time(1_700_000_000_000, Isolation::ReadUncommitted));
    used.note(log.offset_of_max_timestamp(Isolation::ReadCommitted));
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        let Some(mut offset) = used.note(log.log_start_offset()) else { return };
        let options = FetchOptions::new().isolation(isolation);
        let mut records = 0;
        for _ in 0..STEPS {
            match log.fetch(offset, options) {
                Ok(fetched) if fetched.next_offset() == offset => break,
                Ok(fetched) => {
                    for record in fetched.records() {
                        records += usize::from(used.note(record).is_some());
                    }
                    offset = fetched.next_offset();
                }
                Err(Error::Corrupt { offsets: Some((_, last)), .. }) if last >= offset => {
                    offset = last + 1;
                }
                Err(error) => {
                    used.note::<()>(Err(error));
                    break;
                }
            }
        }
        used.records = used.records.max(records);
    }
}

/// Looks at every `.log` and index of a partition as `dump` does.
pub(crate) fn dumped(partition: &Path) -> Used {
    let mut used = Used::default();
    for entry in fs::read_dir(partition).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => dump_log(&path, &mut used),
            Some("index") => {
                let index = used.note(IndexFile::<OffsetIndexEntry>::open(&path, Some(0)));
                used.records += index.map_or(0, |index| index.entries().take(1000).count());
            }
            Some("timeindex") => {
                let index = used.note(IndexFile::<TimeIndexEntry>::open(&path, Some(0)));
                used.records += index.map_or(0, |index| index.entries().take(1000).count());
            }
            _ => {}
        }
    }
    used
}

fn dump_log(path: &Path, used: &mut Used) {
    let Some(log) = used.note(LogFile::open_at(path, 0)) else { return };
    let mut pieces = log.pieces();
    for _ in 0..STEPS {
        match pieces.next_piece() {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => {
                used.note::<()>(Err(error));
                return;
            }
        }
    }
}

/// All of it, on copies of nothing: reading first, for it changes no file.
pub(crate) fn everything(directory: &Path) -> [Used; 3] {
    let dumped = dumped(&directory.join(format!("{TOPIC}-0")));
    let read = read_only(directory);
    claim(directory);
    [dumped, read, written(directory)]
}
