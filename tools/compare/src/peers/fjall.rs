//! fjall: a log-structured merge tree of numbered values, with a journal.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::subject::{Promise, Shape, Stored, Subject, Times, Values, each, together};

pub struct Peer;

fn open(dir: &Path) -> (Database, Keyspace) {
    let db = Database::builder(dir).open().expect("a database");
    let log = db.keyspace("log", KeyspaceCreateOptions::default).expect("a keyspace");
    (db, log)
}

fn append(
    (db, log): &(Database, Keyspace),
    first: u64,
    shape: Shape,
    values: &Values,
    how: PersistMode,
) {
    let mut batch = db.batch().durability(Some(how));
    for number in first..first + shape.records as u64 {
        batch.insert(log, number.to_be_bytes(), values.draw());
    }
    batch.commit().expect("a commit");
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "fjall 3"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (db, values) = (open(dir), shape.values());
        let started = Instant::now();
        for batch in 0..batches {
            append(&db, (batch * shape.records) as u64, shape, &values, PersistMode::Buffer);
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (db, values) = (open(dir), shape.values());
        Some(each(batches, |batch| {
            append(&db, (batch * shape.records) as u64, shape, &values, PersistMode::SyncData);
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let (db, values, next) = (open(dir), Shape::one(bytes).values(), AtomicU64::new(0));
        Some(together(writers, times, || {
            |_| {
                let first = next.fetch_add(1, Ordering::Relaxed);
                append(&db, first, Shape::one(bytes), &values, PersistMode::SyncData);
            }
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (db, values) = (open(dir), shape.values());
        for batch in 0..batches {
            append(&db, (batch * shape.records) as u64, shape, &values, PersistMode::Buffer);
        }
        db.1.rotate_memtable_and_wait().expect("a flush");
        Some(Box::new(Log(db)))
    }
}

struct Log((Database, Keyspace));

impl Stored for Log {
    fn scan(&mut self) -> usize {
        self.0.1.iter().map(|record| record.value().expect("a record").len()).sum()
    }

    fn get(&mut self, number: u64) -> usize {
        self.0.1.get(number.to_be_bytes()).expect("a read").expect("a record").len()
    }
}
