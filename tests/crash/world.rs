//! A program at work on a store, on a simulated disk, and what it may rely on.

#[path = "kafka.rs"]
mod kafka;

use std::rc::Rc;

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::testing::sim::{self, Disk};
use strandline::{
    Batch, Clock, Durability, Error, HandOverOptions, Log, LogConfig, Record, Store, StoreOptions,
    TopicOptions,
};

use super::content::{Content, said};
use super::ops::Op;

/// When everything begins: 2023-11-14.
pub(crate) const START: i64 = 1_700_000_000_000;
/// Who appends in transactions.
pub(crate) const PRODUCER: (ProducerId, ProducerEpoch) = (ProducerId(7), ProducerEpoch(1));

/// A store with the topic `events`, open.
pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) log: Log,
    /// How many records were sent.
    sent: u32,
    /// The next sequence number of [`PRODUCER`].
    pub(crate) sequence: i32,
    pub(crate) in_transaction: bool,
}

/// One step and what it was like around it.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) op: Op,
    /// The number of its first call.
    pub(crate) from: u64,
    /// That of the first call after it.
    pub(crate) to: u64,
    pub(crate) before: Rc<Content>,
    pub(crate) after: Rc<Content>,
}

/// How many keys there are.
const KEYS: u32 = 3;

/// Small enough that everything happens within a few batches.
pub(crate) fn config() -> LogConfig {
    let pairs = [
        ("internal.segment.bytes", "700"),
        ("index.interval.bytes", "64"),
        ("segment.index.bytes", "4096"),
        ("retention.bytes", "300"),
        ("cleanup.policy", "compact,delete"),
        // By hand only.
        ("min.cleanable.dirty.ratio", "1"),
        ("delete.retention.ms", "100"),
        ("file.delete.delay.ms", "0"),
    ];
    LogConfig::from_pairs(pairs).unwrap()
}

/// How a store on `disk` is opened.
pub(crate) fn options(clock: &Clock) -> StoreOptions {
    Store::options().clock(clock.clone()).housekeeping(false).adopt(true)
}

impl World {
    /// A new store on a new disk.
    pub(crate) fn new(disk: Disk) -> Result<World, String> {
        let clock = Clock::manual(START);
        let store = said("open", sim::open(&disk, options(&clock)))?;
        let topic = store.create_topic("events", TopicOptions::new().config(config()));
        let log = said("create", topic.and_then(|topic| topic.partition(0)))?;
        let (sent, sequence, in_transaction) = (0, 0, false);
        Ok(World { disk, clock, store, log, sent, sequence, in_transaction })
    }

    /// Does `op`, and takes down what it was like before and after.
    pub(crate) fn step(&mut self, op: Op, before: Rc<Content>) -> Result<Step, String> {
        let from = self.disk.calls();
        said(&op.to_string(), self.act(op))?;
        let to = self.disk.calls();
        let mut after = Content::of(&self.log)?;
        // A promise holds, whatever the log remembers of it.
        after.durable = after.durable.max(before.durable.min(after.end));
        Ok(Step { op, from, to, before, after: Rc::new(after) })
    }

    /// Does `op`.
    pub(crate) fn act(&mut self, op: Op) -> strandline::Result<()> {
        let now = self.clock.now_ms() + if op == Op::Housekeeping { 600_000 } else { 60 };
        self.clock.set(now);
        match op {
            Op::AppendWritten => self.append(1, 40, Durability::Written),
            Op::AppendSynced => self.append(2, 30, Durability::Synced),
            Op::AppendRolling => self.append(3, 160, Durability::Written),
            Op::AppendTransactional => self.append_transactional(),
            Op::Commit => self.end(TransactionEnd::Commit),
            Op::Abort => self.end(TransactionEnd::Abort),
            Op::Flush => self.log.flush().map(drop),
            Op::Roll => self.log.roll().map(drop),
            Op::DeleteRecords => {
                let (start, end) = (self.log.log_start_offset()?, self.log.log_end_offset()?);
                self.log.delete_records(Some(start + (end - start + 1) / 2)).map(drop)
            }
            Op::DeleteAll => self.log.delete_records(None).map(drop),
            Op::Clean => self.store.clean("events").map(drop),
            Op::Housekeeping => self.store.run_housekeeping(now),
            Op::Reopen => {
                self.store.close()?;
                self.open()
            }
            Op::Die => {
                self.disk = self.disk.after_death();
                self.open()
            }
            Op::Kafka => {
                let is_closed = self.sent.is_multiple_of(2);
                if is_closed {
                    self.store.close()?;
                }
                self.disk = self.disk.after_another(kafka::writes(&self.disk.image(), is_closed));
                self.open()
            }
            Op::Adopt => {
                self.store.close()?;
                let image = self.disk.image();
                // What was not closed in order is not as Kafka leaves a directory.
                if kafka::is_closed(&image) {
                    self.disk = self.disk.after_another(kafka::owns(&image));
                }
                self.open()
            }
            Op::HandOver => {
                match self.store.hand_over(&HandOverOptions::new()) {
                    // An open transaction, or Kafka's metadata log, stands in the way.
                    Err(Error::InvalidTxnState(_) | Error::Exists(_)) => self.store.close()?,
                    done => drop(done?),
                }
                self.open()
            }
            Op::Truncate => {
                let target = (self.log.log_end_offset()? - 1).max(self.log.log_start_offset()?);
                self.log.truncate_to(target).map(drop)
            }
            Op::TruncateAll => self.log.truncate_to(self.log.log_start_offset()?).map(drop),
            Op::StartOver => self.log.start_over_at(self.log.log_end_offset()? + 1000),
            Op::Import => self.import(),
        }
    }

    /// Does `op` once more, at the same time, after it failed: if the store could not be closed or
    /// opened that means to open it.
    pub(crate) fn again(&mut self, op: Op) -> strandline::Result<()> {
        if !op.reopens() {
            return self.act(op);
        }
        if op == Op::HandOver {
            // What was refused before any log was closed leaves the store open. How it is closed is
            // of no matter: what was acknowledged must be there.
            let _ = self.store.close();
        }
        self.open()
    }

    fn open(&mut self) -> strandline::Result<()> {
        let store = sim::open(&self.disk, options(&self.clock))?;
        self.log = store.log("events", 0)?;
        self.store = store;
        Ok(())
    }

    fn append(
        &mut self,
        records: u32,
        len: usize,
        durability: Durability,
    ) -> strandline::Result<()> {
        let mut batch = self.batch(records, len);
        self.log.append(&mut batch, durability).map(drop)
    }

    fn append_transactional(&mut self) -> strandline::Result<()> {
        let (id, epoch) = PRODUCER;
        let batch = self.batch(2, 20);
        let mut batch = batch.producer(id, epoch, Sequence(self.sequence)).transactional(true);
        let mut appended = self.log.append(&mut batch, Durability::Written);
        if let Err(Error::OutOfOrderSequence { expected, .. }) = appended {
            self.sequence = expected;
            batch = batch.producer(id, epoch, Sequence(expected));
            appended = self.log.append(&mut batch, Durability::Written);
        }
        if !appended?.duplicate {
            self.sequence += 2;
        }
        self.in_transaction = true;
        Ok(())
    }

    fn end(&mut self, end: TransactionEnd) -> strandline::Result<()> {
        self.in_transaction = false;
        self.log.end_transaction(PRODUCER, end, 0, Durability::Synced).map(drop)
    }

    fn import(&mut self) -> strandline::Result<()> {
        let base = self.log.log_end_offset()? + 100;
        let value = [b'i'; 30];
        let parts = [(self.clock.now_ms(), None, Some(&value[..]), &[][..])];
        let built =
            strandline::testing::build_batch("none", (-1, -1, -1), false, parts.into_iter());
        let mut bytes = built.expect("a batch");
        bytes[0..8].copy_from_slice(&base.to_be_bytes());
        let epoch = self.log.leader_epochs()?.last().map_or(0, |last| last.0.0);
        bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
        self.log.import(&bytes, Durability::Synced).map(drop)
    }

    /// Records that differ from all others, of a few keys; every now and then one without a value.
    pub(crate) fn batch(&mut self, records: u32, len: usize) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..records {
            let value = format!("{:0>len$}", self.sent);
            let key = (self.sent % KEYS).to_be_bytes();
            let record = Record::new().key(&key);
            let is_tombstone = self.sent % 7 == 6;
            batch.push(if is_tombstone { record } else { record.value(&value) });
            self.sent += 1;
        }
        batch
    }
}
