//! okaywal: entries of chunks, synced when they are committed; writers share a sync.

use std::io::Read;
use std::path::Path;

use okaywal::{ChunkRecord, Configuration, LogVoid, WriteAheadLog};

use crate::subject::{Promise, Shape, Stored, Subject, Times, each, together};

pub struct Peer;

/// Without checkpoints: as a log, it keeps everything.
fn open(dir: &Path) -> WriteAheadLog {
    Configuration::default_for(dir)
        .preallocate_bytes(64 << 20)
        .checkpoint_after_bytes(4 << 30)
        .buffer_bytes(128 << 10)
        .open(LogVoid)
        .expect("a log")
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "okaywal 0.3"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (log, value) = (open(dir), vec![b'x'; shape.bytes]);
        Some(each(batches, |_| {
            let mut entry = log.begin_entry().expect("an entry");
            for _ in 0..shape.records {
                entry.write_chunk(&value).expect("a chunk");
            }
            entry.commit().expect("a commit");
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        let (log, value) = (open(dir), vec![b'x'; bytes]);
        Some(together(writers, times, || {
            |_| {
                let mut entry = log.begin_entry().expect("an entry");
                entry.write_chunk(&value).expect("a chunk");
                entry.commit().expect("a commit");
            }
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (log, values) = (open(dir), shape.values());
        let mut chunks = Vec::new();
        for _ in 0..batches {
            let mut entry = log.begin_entry().expect("an entry");
            for _ in 0..shape.records {
                chunks.push(entry.write_chunk(values.draw()).expect("a chunk"));
            }
            entry.commit().expect("a commit");
        }
        Some(Box::new(Log { log, chunks, room: Vec::new() }))
    }
}

struct Log {
    log: WriteAheadLog,
    /// The caller has to know where chunks lie.
    chunks: Vec<ChunkRecord>,
    room: Vec<u8>,
}

impl Stored for Log {
    fn scan(&mut self) -> usize {
        // It reads from front to back only when it is recovered.
        (0..self.chunks.len() as u64).map(|number| self.get(number)).sum()
    }

    fn get(&mut self, number: u64) -> usize {
        let chunk = &self.chunks[number as usize];
        let mut reader = self.log.read_at(chunk.position).expect("a chunk");
        self.room.resize(chunk.length as usize, 0);
        reader.read_exact(&mut self.room).expect("a read");
        assert!(reader.crc_is_valid().expect("a read"));
        self.room.len()
    }
}
