//! seglog: one segment of a fixed size, allocated when it is made; a checksum for each record.

use std::path::Path;
use std::time::{Duration, Instant};

use seglog::read::{ReadHint, Reader};
use seglog::write::Writer;

use crate::subject::{Promise, Shape, Stored, Subject, Times, each};

pub struct Peer;

fn create(dir: &Path, shape: Shape, batches: usize) -> Writer<0> {
    std::fs::create_dir_all(dir).expect("a directory");
    let bytes = (shape.bytes + 8) * shape.records * (batches + 2) + 4096;
    Writer::create(dir.join("segment"), bytes, 0).expect("a segment")
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "seglog 0.3"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (mut writer, value) = (create(dir, shape, batches), vec![b'x'; shape.bytes]);
        let started = Instant::now();
        for _ in 0..batches {
            for _ in 0..shape.records {
                writer.append_data(&value).expect("an append");
            }
            writer.flush_writer().expect("a write");
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (mut writer, value) = (create(dir, shape, batches), vec![b'x'; shape.bytes]);
        Some(each(batches, |_| {
            for _ in 0..shape.records {
                writer.append_data(&value).expect("an append");
            }
            writer.sync().expect("a sync");
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (mut writer, values) = (create(dir, shape, batches), shape.values());
        let mut places = Vec::new();
        for _ in 0..shape.records * batches {
            places.push(writer.append_data(values.draw()).expect("an append").0);
        }
        writer.sync().expect("a sync");
        let flushed = Some(writer.flushed_offset());
        let reader = Reader::open(dir.join("segment"), flushed).expect("a reader");
        Some(Box::new(Log { reader, places }))
    }
}

struct Log {
    reader: Reader<0>,
    /// The caller has to know where records lie.
    places: Vec<u64>,
}

impl Stored for Log {
    fn scan(&mut self) -> usize {
        let (mut records, mut seen) = (self.reader.iter(0), 0);
        while let Some(record) = records.next_record().expect("a read") {
            seen += record.data.len();
        }
        seen
    }

    fn get(&mut self, number: u64) -> usize {
        let place = self.places[number as usize];
        self.reader.read_record(place, ReadHint::Random).expect("a read").data.len()
    }
}
