//! raft-engine: entries of a group by index, in a shared log; where they lie is kept in memory.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::subject::{Promise, Shape, Stored, Subject, Times, Values, each, together};

pub struct Peer;

/// An entry is bytes, of which the first eight are its index.
#[derive(Clone)]
struct Numbered;

impl MessageExt for Numbered {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        u64::from_le_bytes(*entry.value.first_chunk().expect("an index"))
    }
}

const GROUP: u64 = 1;

fn open(dir: &Path) -> Engine {
    let config = Config {
        dir: dir.to_str().expect("a path").to_owned(),
        purge_threshold: ReadableSize::gb(8),
        // Off, as it is for the others.
        batch_compression_threshold: ReadableSize::gb(1),
        ..Config::default()
    };
    Engine::open(config).expect("an engine")
}

fn append(engine: &Engine, (group, first): (u64, u64), values: &Values, sync: bool) {
    let entry = |index: u64| {
        let mut value = values.draw().to_vec();
        value[..8].copy_from_slice(&index.to_le_bytes());
        let mut entry = BytesValue::new();
        entry.set_value(value);
        entry
    };
    let entries: Vec<_> = (first..first + values.shape.records as u64).map(entry).collect();
    let mut batch = LogBatch::default();
    batch.add_entries::<Numbered>(group, &entries).expect("a batch");
    engine.write(&mut batch, sync).expect("a write");
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "raft-engine 0.4"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (engine, values) = (open(dir), shape.values());
        let started = Instant::now();
        for batch in 0..batches {
            append(&engine, (GROUP, (batch * shape.records) as u64 + 1), &values, false);
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (engine, values) = (open(dir), shape.values());
        Some(each(batches, |batch| {
            append(&engine, (GROUP, (batch * shape.records) as u64 + 1), &values, true);
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        // A group of entries for each writer: indexes have to follow one another.
        let (engine, next) = (open(dir), AtomicU64::new(1));
        let values = Shape::one(bytes).values();
        Some(together(writers, times, || {
            let group = next.fetch_add(1, Ordering::Relaxed);
            let (engine, values) = (&engine, &values);
            move |n| append(engine, (group, n as u64 + 1), values, true)
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (engine, values) = (open(dir), shape.values());
        for batch in 0..batches {
            append(&engine, (GROUP, (batch * shape.records) as u64 + 1), &values, false);
        }
        engine.sync().expect("a sync");
        Some(Box::new(Log { engine, end: (batches * shape.records) as u64 + 1 }))
    }
}

struct Log {
    engine: Engine,
    end: u64,
}

impl Stored for Log {
    fn scan(&mut self) -> usize {
        let (mut at, mut seen, mut room) = (1, 0, Vec::new());
        while at < self.end {
            room.clear();
            let most = Some(1 << 20);
            let read =
                self.engine.fetch_entries_to::<Numbered>(GROUP, at, self.end, most, &mut room);
            at += read.expect("a read") as u64;
            seen += room.iter().map(|entry| entry.value.len()).sum::<usize>();
        }
        seen
    }

    fn get(&mut self, number: u64) -> usize {
        let found = self.engine.get_entry::<Numbered>(GROUP, number + 1).expect("a read");
        found.expect("an entry").value.len()
    }
}
