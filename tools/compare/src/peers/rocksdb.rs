//! RocksDB: a log-structured merge tree of numbered values, with a write-ahead log.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rocksdb::{DB, DBCompressionType, Options, WriteBatch, WriteOptions};

use crate::subject::{Promise, Shape, Stored, Subject, Times, Values, each, together};

pub struct Peer;

fn open(dir: &Path) -> DB {
    let mut options = Options::default();
    options.create_if_missing(true);
    // Off, as it is for the others.
    options.set_compression_type(DBCompressionType::None);
    DB::open(&options, dir).expect("a database")
}

fn append(db: &DB, first: u64, shape: Shape, values: &Values, sync: bool) {
    let mut batch = WriteBatch::default();
    for number in first..first + shape.records as u64 {
        batch.put(number.to_be_bytes(), values.draw());
    }
    let mut options = WriteOptions::default();
    options.set_sync(sync);
    db.write_opt(batch, &options).expect("a write");
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "RocksDB 11"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (db, values) = (open(dir), shape.values());
        let started = Instant::now();
        for batch in 0..batches {
            append(&db, (batch * shape.records) as u64, shape, &values, false);
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (db, values) = (open(dir), shape.values());
        Some(each(batches, |batch| {
            append(&db, (batch * shape.records) as u64, shape, &values, true);
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let (db, values, next) = (open(dir), Shape::one(bytes).values(), AtomicU64::new(0));
        Some(together(writers, times, || {
            |_| {
                let first = next.fetch_add(1, Ordering::Relaxed);
                append(&db, first, Shape::one(bytes), &values, true);
            }
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (db, values) = (open(dir), shape.values());
        for batch in 0..batches {
            append(&db, (batch * shape.records) as u64, shape, &values, false);
        }
        db.flush().expect("a flush");
        Some(Box::new(Log(db)))
    }
}

struct Log(DB);

impl Stored for Log {
    fn scan(&mut self) -> usize {
        let (mut records, mut seen) = (self.0.raw_iterator(), 0);
        records.seek_to_first();
        while let Some(value) = records.value() {
            seen += value.len();
            records.next();
        }
        records.status().expect("a scan");
        seen
    }

    fn get(&mut self, number: u64) -> usize {
        let found = self.0.get_pinned(number.to_be_bytes()).expect("a read");
        found.expect("a record").len()
    }
}
