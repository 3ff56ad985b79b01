//! SQLite with a write-ahead log: a table of numbered blobs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::subject::{Promise, Shape, Stored, Subject, Times, Values, each, together};

pub struct Peer;

fn open(dir: &Path, synchronous: &str) -> Connection {
    std::fs::create_dir_all(dir).expect("a directory");
    connect(&dir.join("sqlite"), synchronous)
}

fn connect(path: &PathBuf, synchronous: &str) -> Connection {
    let db = Connection::open(path).expect("a database");
    db.busy_timeout(Duration::from_mins(1)).expect("a setting");
    db.pragma_update(None, "journal_mode", "WAL").expect("a setting");
    db.pragma_update(None, "synchronous", synchronous).expect("a setting");
    db.execute("CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, value BLOB)", [])
        .expect("a table");
    db
}

fn append(db: &mut Connection, shape: Shape, values: &Values) {
    let write = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
    let write = write.expect("a transaction");
    {
        let mut insert = write.prepare_cached("INSERT INTO log (value) VALUES (?1)").expect("SQL");
        for _ in 0..shape.records {
            insert.execute(params![values.draw()]).expect("an insert");
        }
    }
    write.commit().expect("a commit");
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "SQLite, WAL"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: false, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (mut db, values) = (open(dir, "OFF"), shape.values());
        let started = Instant::now();
        for _ in 0..batches {
            append(&mut db, shape, &values);
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (mut db, values) = (open(dir, "FULL"), shape.values());
        Some(each(batches, |_| append(&mut db, shape, &values)))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        drop(open(dir, "FULL"));
        let (path, values) = (dir.join("sqlite"), Shape::one(bytes).values());
        Some(together(writers, times, || {
            let mut db = connect(&path, "FULL");
            let values = &values;
            move |_| append(&mut db, Shape::one(bytes), values)
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (mut db, values) = (open(dir, "OFF"), shape.values());
        for _ in 0..batches {
            append(&mut db, shape, &values);
        }
        db.pragma_update(None, "wal_checkpoint", "TRUNCATE").expect("a checkpoint");
        Some(Box::new(Log(db)))
    }
}

struct Log(Connection);

impl Stored for Log {
    fn scan(&mut self) -> usize {
        let mut select = self.0.prepare_cached("SELECT value FROM log").expect("SQL");
        let mut rows = select.query([]).expect("rows");
        let mut seen = 0;
        while let Some(row) = rows.next().expect("a row") {
            seen += row.get_ref(0).expect("a value").as_blob().expect("a blob").len();
        }
        seen
    }

    fn get(&mut self, number: u64) -> usize {
        let sql = "SELECT value FROM log WHERE number = ?1";
        let mut select = self.0.prepare_cached(sql).expect("SQL");
        let value = |row: &rusqlite::Row<'_>| Ok(row.get_ref(0)?.as_blob()?.len());
        select.query_row([number as i64 + 1], value).expect("a row")
    }
}
