//! krabka-log: Kafka's format too; one writer, readers beside it. A batch is encoded by the crate it
//! shares with its broker and appended as it is, which saves a copy over `append`.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use krabka_log::{LeaderEpoch, Log, LogConfig, Offset, ProducerId, VerbatimBatch};
use krabka_protocol::DecodeBorrow;
use krabka_protocol::records::{Record, RecordBatch, RecordBatchBorrowed};
use krabka_units::prelude::{bytes as size, mebibytes};

use crate::subject::{Promise, Shape, Stored, Subject, Times, Values, each, together};

pub struct Peer;

fn open(dir: &Path) -> Log {
    Log::open(dir.join("compare-0"), LogConfig::default()).expect("a log")
}

/// Builds a batch again and again.
struct Writer {
    batch: RecordBatch,
    values: Values,
    /// What all values share.
    bytes: Bytes,
}

impl Writer {
    fn new(shape: Shape) -> Writer {
        let bytes = Bytes::from(vec![b'x'; 2 * shape.bytes]);
        Writer { batch: RecordBatch::default(), values: shape.values(), bytes }
    }

    fn build(&mut self) -> VerbatimBatch {
        let now = std::time::UNIX_EPOCH.elapsed().expect("a time").as_millis() as i64;
        let record = |offset_delta| Record {
            attributes: 0,
            timestamp_delta: 0,
            offset_delta,
            key: None,
            value: Some(self.bytes.slice(..self.values.draw_len())),
            headers: Vec::new(),
        };
        let (batch, records) = (&mut self.batch, self.values.shape.records as i32);
        batch.records.clear();
        batch.records.extend((0..records).map(record));
        (batch.base_timestamp, batch.max_timestamp) = (now, now);
        batch.last_offset_delta = records - 1;
        VerbatimBatch {
            bytes: batch.encode_to_bytes().expect("a batch"),
            last_offset_delta: batch.last_offset_delta,
            max_timestamp: now,
            leader_epoch: LeaderEpoch(0),
            producer_id: ProducerId(batch.producer_id),
            producer_epoch: batch.producer_epoch,
            base_sequence: batch.base_sequence,
            is_transactional: false,
        }
    }
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        "krabka-log 1.0"
    }

    fn promise(&self) -> Promise {
        Promise { checksummed: true, durable: "power loss" }
    }

    fn append(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Duration> {
        let (mut log, mut writer) = (open(dir), Writer::new(shape));
        log.append_verbatim(&writer.build()).expect("an append");
        let started = Instant::now();
        for _ in 0..batches {
            log.append_verbatim(&writer.build()).expect("an append");
        }
        Some(started.elapsed())
    }

    fn durable(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Times> {
        let (mut log, mut writer) = (open(dir), Writer::new(shape));
        Some(each(batches, |_| {
            log.append_verbatim(&writer.build()).expect("an append");
            log.sync().expect("a sync");
        }))
    }

    fn group(&self, dir: &Path, bytes: usize, writers: usize, times: usize) -> Option<Times> {
        // Appending and syncing both want the log for themselves.
        let log = Mutex::new(open(dir));
        Some(together(writers, times, || {
            let (log, mut writer) = (&log, Writer::new(Shape::one(bytes)));
            move |_| {
                let batch = writer.build();
                let mut log = log.lock().expect("a lock");
                log.append_verbatim(&batch).expect("an append");
                log.sync().expect("a sync");
            }
        }))
    }

    fn stored(&self, dir: &Path, shape: Shape, batches: usize) -> Option<Box<dyn Stored>> {
        let (mut log, mut writer) = (open(dir), Writer::new(shape));
        for _ in 0..batches {
            log.append_verbatim(&writer.build()).expect("an append");
        }
        log.sync().expect("a sync");
        Some(Box::new(log))
    }
}

/// The next batch of these, its checksum verified.
fn batch<'a>(bytes: &mut &'a [u8]) -> RecordBatchBorrowed<'a> {
    RecordBatchBorrowed::decode_borrow(bytes, 2).expect("a batch")
}

impl Stored for Log {
    fn scan(&mut self) -> usize {
        let (mut at, mut seen) = (Offset(0), 0);
        let end = self.log_end_offset();
        while at < end {
            let read = self.read_raw(at, end, mebibytes(1)).expect("a read");
            let mut bytes = &read.bytes[..];
            while !bytes.is_empty() {
                for record in batch(&mut bytes).iter() {
                    seen += record.expect("a record").value.map_or(0, <[u8]>::len);
                }
            }
            at = Offset(read.last_offset.expect("a batch").0 + 1);
        }
        seen
    }

    fn get(&mut self, number: u64) -> usize {
        let wanted = number as i64;
        let read = self.read_raw(Offset(wanted), Offset(wanted + 1), size(1)).expect("a read");
        let batch = batch(&mut &read.bytes[..]);
        let place = (wanted - batch.header().base_offset.get()) as usize;
        let record = batch.iter().nth(place).expect("a record").expect("a record");
        record.value.map_or(0, <[u8]>::len)
    }
}
