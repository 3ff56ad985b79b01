//! redb: a B-tree of numbered values.

use std::path::Path;
use std::time::{Duration, Instant};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::subject::{Promise, Shape, Stored, Subject, Times, Values, each, together};

pub struct Peer;

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

fn open(dir: &Path) -> Database {
    std::fs::create_dir_all(dir).expect("a directory");
    Database::create(dir.join("redb")).expect("a database")
}

fn append(db: &Database, first: u64, shape: Shape, values: &Values, durability: Durability) {
    let mut write = db.begin_write().expect("a transaction");
    write.set_durability(durability).expect("a durability");
    {
        let mut table = write.open_table(LOG).expect("a table");
        for number in first..first + shape.records as u64 {
            table.insert(number, values.draw()).expect("an insert");
        }
    }
    write.commit().expect("a commit");
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "redb 4"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: false, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (db, values) = (open(dir), shape.values());
        let started = Instant::now();
        for batch in 0..batches {
            let first = (batch * shape.records) as u64;
            append(&db, first, shape, &values, Durability::None);
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (db, values) = (open(dir), shape.values());
        Some(each(batches, |batch| {
            let first = (batch * shape.records) as u64;
            append(&db, first, shape, &values, Durability::Immediate);
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let (db, values) = (open(dir), Shape::one(bytes).values());
        let next = std::sync::atomic::AtomicU64::new(0);
        Some(together(writers, times, || {
            |_| {
                let first = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let shape = Shape::one(bytes);
                append(&db, first, shape, &values, Durability::Immediate);
            }
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (db, values) = (open(dir), shape.values());
        for batch in 0..batches {
            let first = (batch * shape.records) as u64;
            append(&db, first, shape, &values, Durability::None);
        }
        append(&db, (batches * shape.records) as u64, shape, &values, Durability::Immediate);
        Some(Box::new(Log(db)))
    }
}

struct Log(Database);

impl Stored for Log {
    fn scan(&mut self) -> usize {
        let read = self.0.begin_read().expect("a transaction");
        let table = read.open_table(LOG).expect("a table");
        let records = table.iter().expect("a range");
        records.map(|record| record.expect("a record").1.value().len()).sum()
    }

    fn get(&mut self, number: u64) -> usize {
        let read = self.0.begin_read().expect("a transaction");
        let table = read.open_table(LOG).expect("a table");
        let found = table.get(number).expect("a read");
        found.expect("a record").value().len()
    }
}
