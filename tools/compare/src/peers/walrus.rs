//! walrus: topics in preallocated files, a checksum for each entry. It has no reads by number.

use std::path::Path;
use std::time::{Duration, Instant};

use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

use crate::subject::{Promise, Shape, Stored, Subject, Times, Values, each, together};

pub struct Peer;

const TOPIC: &str = "compare";

/// It takes no directory, but keys beneath one that the environment names; see `main`.
fn open(dir: &Path, sync: FsyncSchedule) -> Walrus {
    let key = dir.file_name().and_then(|name| name.to_str()).expect("a name");
    let reads = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
    Walrus::with_consistency_and_schedule_for_key(key, reads, sync).expect("a log")
}

/// Where each append is synced a batch shares a sync; else one by one is faster than its batches.
fn append(log: &Walrus, shape: Shape, values: &Values, sync: bool) {
    if shape.records > 1 && sync {
        let batch: Vec<_> = (0..shape.records).map(|_| values.draw()).collect();
        log.batch_append_for_topic(TOPIC, &batch).expect("an append");
        return;
    }
    for _ in 0..shape.records {
        log.append_for_topic(TOPIC, values.draw()).expect("an append");
    }
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "walrus 0.2"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss (SyncEach)" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (log, values) = (open(dir, FsyncSchedule::NoFsync), shape.values());
        append(&log, shape, &values, false);
        let started = Instant::now();
        for _ in 0..batches {
            append(&log, shape, &values, false);
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (log, values) = (open(dir, FsyncSchedule::SyncEach), shape.values());
        Some(each(batches, |_| append(&log, shape, &values, true)))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let (log, values) = (open(dir, FsyncSchedule::SyncEach), Shape::one(bytes).values());
        let shape = Shape::one(bytes);
        Some(together(writers, times, || |_| append(&log, shape, &values, true)))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (log, values) = (open(dir, FsyncSchedule::NoFsync), shape.values());
        for _ in 0..batches {
            append(&log, shape, &values, false);
        }
        Some(Box::new(Log(log)))
    }
}

struct Log(Walrus);

impl Stored for Log {
    fn scan(&mut self) -> usize {
        // What was read once does not come again, so that it stays where it is.
        let mut seen = 0;
        loop {
            let read = self.0.batch_read_for_topic(TOPIC, 1 << 20, true).expect("a read");
            if read.is_empty() {
                return seen;
            }
            seen += read.iter().map(|entry| entry.data.len()).sum::<usize>();
        }
    }

    fn get(&mut self, _number: u64) -> usize {
        0
    }
}
