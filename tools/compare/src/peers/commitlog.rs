//! commitlog: a file for the log and a mapped one for its index, a checksum for each message. Its
//! `flush` syncs the index alone: of the log it flushes a buffer that is none, so that it has nothing
//! for the durable rows.

use std::path::Path;
use std::time::{Duration, Instant};

use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};

use crate::subject::{Promise, Shape, Stored, Subject, Values};

pub struct Peer;

fn open(dir: &Path) -> CommitLog {
    let mut options = LogOptions::new(dir);
    options.segment_max_bytes(1 << 30).index_max_items(2_000_000).message_max_bytes(1 << 20);
    CommitLog::new(options).expect("a log")
}

fn append(log: &mut CommitLog, buffer: &mut MessageBuf, shape: Shape, values: &Values) {
    buffer.clear();
    for _ in 0..shape.records {
        buffer.push(values.draw()).expect("a message");
    }
    log.append(buffer).expect("an append");
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "commitlog 0.2"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "— (it never syncs the log)" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (mut log, values) = (open(dir), shape.values());
        let mut buffer = MessageBuf::default();
        append(&mut log, &mut buffer, shape, &values);
        let started = Instant::now();
        for _ in 0..batches {
            append(&mut log, &mut buffer, shape, &values);
        }
        Some(started.elapsed())
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (mut log, values) = (open(dir), shape.values());
        let mut buffer = MessageBuf::default();
        for _ in 0..batches {
            append(&mut log, &mut buffer, shape, &values);
        }
        log.flush().expect("a flush");
        Some(Box::new(Log(log, shape)))
    }
}

struct Log(CommitLog, Shape);

impl Stored for Log {
    fn scan(&mut self) -> usize {
        let (mut at, mut seen) = (0, 0);
        let end = self.0.next_offset();
        while at < end {
            let read = self.0.read(at, ReadLimit::max_bytes(256 << 10)).expect("a read");
            for message in read.iter() {
                seen += message.payload().len();
                at = message.offset() + 1;
            }
        }
        seen
    }

    fn get(&mut self, number: u64) -> usize {
        let limit = ReadLimit::max_bytes(self.1.bytes + 64);
        let read = self.0.read(number, limit).expect("a read");
        read.iter().next().expect("a message").payload().len()
    }
}
